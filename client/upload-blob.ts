import { open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { quote } from '../shared/errors.ts'
import { blobPath } from '../shared/paths.ts'
import { MiB } from '../shared/units.ts'
import { ClientError, describe } from './client-error.ts'
import type { HashedFile } from './hash-files.ts'
import type { StageServer } from './http-client.ts'
import { RefusedError } from './server-answer.ts'

/** The draft that a blob belongs to. */
export interface Draft {
  readonly namespace: string
  readonly bundleId: string
}

/**
 * Sends the bytes of one file, as often as it takes; each attempt reads the file anew, in pieces.
 *
 * @param onBytes how far the upload moved; negative when an attempt has to begin again
 * @throws ClientError (damaged) when the file does not have the bytes any more that were hashed
 * @throws what {@link StageServer.call} throws
 */
export async function uploadBlob(
  server: StageServer,
  { namespace, bundleId }: Draft,
  file: HashedFile,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<void> {
  let sentBytes = 0
  let furthestBytes = 0
  const move = (bytes: number) => {
    sentBytes += bytes
    onBytes(bytes)
    if (sentBytes <= furthestBytes) return
    furthestBytes = sentBytes
    server.progress()
  }
  const body = () => {
    onBytes(-sentBytes)
    sentBytes = 0
    return Readable.from(readFile(file, move, signal), { objectMode: false, highWaterMark: chunkBytes })
  }
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(file.sizeBytes) }
  try {
    await server.call(
      {
        method: 'PUT',
        path: blobPath(namespace, bundleId, file.sha256),
        headers,
        body,
        parse: () => undefined
      },
      signal
    )
  } catch (error) {
    if (error instanceof RefusedError && changedCodes.has(error.answer.code))
      throw changed(file, error.answer, error)
    throw error
  }
}

const chunkBytes = 1 * MiB
const changedCodes: ReadonlySet<string> = new Set(['STAGE_ERR_DIGEST', 'STAGE_ERR_SIZE'])

/** The bytes that were announced and no more, though the file may have grown. */
async function* readFile(
  file: HashedFile,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): AsyncGenerator<Buffer> {
  await using handle = await open(file.filePath)
  let leftBytes = file.sizeBytes
  while (leftBytes > 0) {
    signal.throwIfAborted()
    const wantedBytes = Math.min(chunkBytes, leftBytes)
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wantedBytes), 0, wantedBytes)
    if (bytesRead === 0) throw changed(file, { found: `${file.sizeBytes - leftBytes} bytes` })
    leftBytes -= bytesRead
    onBytes(bytesRead)
    yield buffer.subarray(0, bytesRead)
  }
}

function changed(file: HashedFile, { found }: { readonly found?: string }, cause?: unknown): ClientError {
  const expected = `${file.sizeBytes} bytes with SHA-256 ${file.sha256}`
  const todo = 'Run the command again once the file is complete.'
  const sentence = `${quote(file.filePath, 300)} changed while it was uploaded`
  return new ClientError(
    'damaged',
    describe(sentence, found === undefined ? { expected, todo } : { expected, found, todo }),
    {
      cause
    }
  )
}
