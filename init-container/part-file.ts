import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { MiB } from '../shared/units.ts'

/** Big, because every read and write is a trip to another thread. */
const chunkBytes = 1 * MiB

/**
 * The bytes of a file that have arrived so far: on disk and in a running digest, and the two always agree, also after
 * a cut. So a download goes on where it stopped without reading anything again.
 */
export class PartFile implements AsyncDisposable {
  readonly #file: FileHandle
  #hash: Hash = createHash('sha256')
  #sizeBytes = 0
  /** Equal to the size but while bytes arrive. */
  #writtenBytes = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** Opens the part at `path`, or a new one, and digests what an earlier run left there. */
  static async open(path: string, signal: AbortSignal): Promise<PartFile> {
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants
    const part = new PartFile(await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600))
    try {
      part.#sizeBytes = await digestInto(part.#hash, part.#file, signal)
      part.#writtenBytes = part.#sizeBytes
      return part
    } catch (error) {
      await part.#file.close()
      throw error
    }
  }

  /** Bytes so far. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** SHA-256 of all bytes so far, lowercase hex. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  /**
   * Adds what `source` yields. When the source fails, all it gave before is kept, and then its error is thrown; for
   * that reason there is no `pipeline` here, which drops what its sink still holds.
   *
   * @param source chunks that nobody needs afterwards: their memory is given back
   * @param onBytes called with the size of each chunk; when it throws, that ends the source
   */
  async append(source: AsyncIterable<Buffer>, onBytes: (countBytes: number) => void): Promise<void> {
    let batch: Buffer[] = []
    let batchBytes = 0
    let writing = Promise.resolve()
    try {
      for await (const chunk of source) {
        batch.push(chunk)
        batchBytes += chunk.length
        this.#sizeBytes += chunk.length
        onBytes(chunk.length)
        if (batchBytes < chunkBytes) continue
        await writing
        writing = this.#write(batch)
        // Its failure is thrown by the next await; until then it must not count as unhandled.
        writing.catch(() => {})
        batch = []
        batchBytes = 0
      }
    } finally {
      await writing
      if (batchBytes > 0) await this.#write(batch)
    }
  }

  /** Throws all bytes away. */
  async discard(): Promise<void> {
    if (this.#sizeBytes === 0) return
    await this.#file.truncate(0)
    this.#hash = createHash('sha256')
    this.#sizeBytes = 0
    this.#writtenBytes = 0
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }

  async #write(chunks: readonly Buffer[]): Promise<void> {
    const endBytes = chunks.reduce((sum, chunk) => sum + chunk.length, this.#writtenBytes)
    const writing = this.#file.writev(chunks, this.#writtenBytes)
    // On this thread, while another one writes.
    for (const chunk of chunks) this.#hash.update(chunk)
    this.#writtenBytes += (await writing).bytesWritten
    // A short write is legal, and usual just before a disk is full.
    while (this.#writtenBytes < endBytes) {
      const rest = Buffer.concat(chunks).subarray(this.#writtenBytes - endBytes)
      this.#writtenBytes += (await this.#file.write(rest, 0, rest.length, this.#writtenBytes)).bytesWritten
    }
    for (const chunk of chunks) release(chunk)
  }
}

/**
 * SHA-256 of the regular file at `path`, lowercase hex. A symbolic link is not followed.
 *
 * @throws the error of the file system
 */
export async function digestFile(path: string, signal: AbortSignal): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  const hash = createHash('sha256')
  await digestInto(hash, file, signal)
  return hash.digest('hex')
}

/**
 * Gives the memory of a chunk back now. The garbage collector would let 64 MiB of network buffers gather first
 * (measured: 50 MiB more at the peak). A chunk that does not fill its buffer may share it and is left alone.
 */
function release({ buffer, length }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === length) buffer.transfer(0)
}

/** No stream, because those of a FileHandle close it or keep it from closing. @returns the bytes read */
async function digestInto(hash: Hash, file: FileHandle, signal: AbortSignal): Promise<number> {
  // One byte more, so that the end is seen; and no more, because most parts are new and there may be thousands.
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, (await file.stat()).size + 1))
  let sizeBytes = 0
  let bytesRead = 0
  do {
    signal.throwIfAborted()
    bytesRead = (await file.read(buffer, 0, buffer.length, sizeBytes)).bytesRead
    hash.update(buffer.subarray(0, bytesRead))
    sizeBytes += bytesRead
  } while (bytesRead > 0)
  return sizeBytes
}
