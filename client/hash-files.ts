import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import pMap from 'p-map'
import { quote } from '../shared/errors.ts'
import { MiB } from '../shared/units.ts'
import { usageError } from './client-error.ts'
import type { LocalFile } from './local-files.ts'

/** A file with the digest of the bytes it had when it was read. `sizeBytes` counts those bytes. */
export interface HashedFile extends LocalFile {
  /** Lowercase hex. */
  readonly sha256: string
}

const readBytes = 1 * MiB

/**
 * Hashes files, two at a time. One thread does it: with the next read always under way SHA-256 itself is the
 * limit (1.8 GB/s where streams give 1.45), so 300 MB take a sixth of a second and worker threads would only add
 * their start.
 *
 * @param onBytes how many bytes were hashed since the last call
 * @throws ClientError (usage) when a file cannot be read
 */
export async function hashFiles(
  files: readonly LocalFile[],
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<readonly HashedFile[]> {
  const pairs: BufferPair[] = []
  return pMap(
    files,
    async file => {
      // A new pair for each file would cost more than hashing a small one.
      const pair = pairs.pop() ?? [Buffer.allocUnsafe(readBytes), Buffer.allocUnsafe(readBytes)]
      const hashed = await hashFile(file, pair, onBytes, signal)
      pairs.push(pair)
      return hashed
    },
    { concurrency: 2, signal }
  )
}

type BufferPair = readonly [Buffer, Buffer]

async function hashFile(
  file: LocalFile,
  pair: BufferPair,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<HashedFile> {
  try {
    await using handle = await open(file.filePath)
    const hash = createHash('sha256')
    let sizeBytes = 0
    for await (const chunk of readAhead(handle, pair)) {
      signal.throwIfAborted()
      hash.update(chunk)
      sizeBytes += chunk.length
      onBytes(chunk.length)
    }
    return { ...file, sizeBytes, sha256: hash.digest('hex') }
  } catch (cause) {
    signal.throwIfAborted()
    // A boundary: file system calls reject with a system error.
    const { code } = cause as NodeJS.ErrnoException
    throw usageError(`${quote(file.filePath, 300)} cannot be read (${code})`, { cause })
  }
}

/** A file's bytes in order, in two buffers by turns: a chunk is good only until the next one is asked for. */
async function* readAhead(handle: FileHandle, buffers: BufferPair): AsyncGenerator<Buffer> {
  let offset = 0
  let next = handle.read(buffers[0], 0, readBytes, offset)
  for (let turn = 1; ; turn ^= 1) {
    const { bytesRead, buffer } = await next
    if (bytesRead === 0) return
    offset += bytesRead
    next = handle.read(turn === 1 ? buffers[1] : buffers[0], 0, readBytes, offset)
    // Awaited above in the ordinary case; a consumer that stops early must not leave a rejection behind.
    next.catch(() => undefined)
    yield buffer.subarray(0, bytesRead)
  }
}
