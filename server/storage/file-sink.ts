import type { FileHandle } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { KiB } from '../../shared/units.ts'

/**
 * A stream that appends to an open file and leaves it open, for its sync. What arrives while a write is under way is
 * gathered into the next, so network-sized chunks become few large writes without being copied.
 */
export function fileSink(file: FileHandle): Writable {
  return new Writable({
    highWaterMark: 256 * KiB,
    write: (chunk: Buffer, _encoding, done) => void writeAll(file, [chunk]).then(() => done(), done),
    writev: (items, done) => {
      const chunks = items.map(({ chunk }) => chunk as Buffer)
      void writeAll(file, chunks).then(() => done(), done)
    }
  })
}

async function writeAll(file: FileHandle, chunks: readonly Buffer[]): Promise<void> {
  let rest = chunks
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest)
    rest = after(rest, bytesWritten)
  }
}

/** What is left of `chunks` once the first `count` bytes are taken: a disk that fills up writes short. */
function after(chunks: readonly Buffer[], count: number): readonly Buffer[] {
  let left = count
  const rest: Buffer[] = []
  for (const chunk of chunks) {
    if (left < chunk.length) rest.push(chunk.subarray(left))
    left = Math.max(0, left - chunk.length)
  }
  return rest
}
