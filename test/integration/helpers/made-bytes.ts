import { createHash, randomBytes } from 'node:crypto'
import { MiB } from '../../../shared/units.ts'

const pieceBytes = MiB
const seed = randomBytes(pieceBytes)

/** Bytes that are made as they are read, so that no disk has to hold them: those of each name are others. */
export interface MadeBytes {
  readonly sizeBytes: number
  readonly sha256: string
  /** The bytes, from the beginning. */
  chunks(): AsyncGenerator<Buffer>
}

/** Makes bytes of which no two mebibytes are alike. */
export async function makeBytes(name: string, sizeBytes: number): Promise<MadeBytes> {
  const chunks = () => pieces(name, sizeBytes)
  const hash = createHash('sha256')
  for await (const chunk of chunks()) hash.update(chunk)
  return { sizeBytes, sha256: hash.digest('hex'), chunks }
}

async function* pieces(name: string, sizeBytes: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < sizeBytes; start += pieceBytes) {
    const piece = Buffer.from(seed.subarray(0, Math.min(pieceBytes, sizeBytes - start)))
    piece.write(`${name} ${start} `)
    yield piece
  }
}
