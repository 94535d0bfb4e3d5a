import type { FileHandle } from 'node:fs/promises'
import { Writable } from 'node:stream'
import { KiB, MiB } from '../../shared/units.ts'
import { BufferPool } from './buffer-pool.ts'
import { ExpectedBytes } from './expected-bytes.ts'
import { releaseChunk } from './release-chunk.ts'
import type { PutExpectations, StoredBytes } from './storage-driver.ts'

/** So many uploads at once gather what arrives; one more would cost memory and gain nothing on a few cores. */
const gatheringCount = 16

/** Each write of theirs is one call of this size, so a fast upload costs few of them. */
const pieces = new BufferPool(1 * MiB, gatheringCount)
const nothing = Buffer.alloc(0)

/**
 * A stream that appends to an open file, counts and hashes, and leaves the file open, for its sync.
 *
 * What arrives is gathered into large reused buffers: one is hashed and written while the other fills. Beyond a few
 * uploads at once each chunk is written as it comes, so a thousand slow ones hold nothing. The network's own buffers are
 * given back at once, since waiting for the garbage collector would cost both memory and time.
 */
export class FileSink extends Writable {
  static #gatheringNowCount = 0
  readonly #file: FileHandle
  readonly #bytes: ExpectedBytes
  readonly #gathers: boolean
  #filling: Buffer = nothing
  #filledBytes = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(file: FileHandle, expected: PutExpectations) {
    const gathers = FileSink.#gatheringNowCount < gatheringCount
    super({ highWaterMark: gathers ? 1 * MiB : 64 * KiB })
    this.#gathers = gathers
    this.#file = file
    this.#bytes = new ExpectedBytes(expected)
    if (!gathers) return
    this.#filling = pieces.take()
    FileSink.#gatheringNowCount += 1
  }

  /** What was written, once the stream has finished. @throws StagingError when it is not what was expected */
  result(): StoredBytes {
    return this.#bytes.result()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      this.#bytes.count(chunk.length)
    } catch (refusal) {
      // A boundary: nothing but a StagingError.
      done(refusal as Error)
      return
    }
    if (!this.#gathers) {
      this.#pass(chunk).then(() => done(), done)
      return
    }
    const roomBytes = this.#filling.length - this.#filledBytes
    if (chunk.length < roomBytes) {
      this.#filledBytes += chunk.copy(this.#filling, this.#filledBytes)
      releaseChunk(chunk)
      done()
      return
    }
    this.#take(chunk).then(() => done(), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#gathers) {
      done()
      return
    }
    this.#flush()
      .then(() => this.#writing)
      // Only here: after a failure something may still be filling it.
      .then(() => pieces.giveBack(this.#filling))
      .then(() => done(), done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#gathers) FileSink.#gatheringNowCount -= 1
    // Only a buffer that no write refers to any more may be used again.
    this.#writing.catch(() => {}).finally(() => done(error))
  }

  /** Writes a chunk by itself; only then the next one comes. */
  async #pass(chunk: Buffer): Promise<void> {
    this.#bytes.hash(chunk)
    this.#writing = writeAll(this.#file, chunk)
    await this.#writing
    releaseChunk(chunk)
  }

  /** Fills up the buffer, sends it off, and goes on with the next. */
  async #take(chunk: Buffer): Promise<void> {
    for (let taken = 0; taken < chunk.length; ) {
      const copied = chunk.copy(this.#filling, this.#filledBytes, taken)
      taken += copied
      this.#filledBytes += copied
      if (this.#filledBytes === this.#filling.length) await this.#flush()
    }
    releaseChunk(chunk)
  }

  /** Waits for the write before, then starts that of what is gathered; resolves when the next bytes may come. */
  async #flush(): Promise<void> {
    await this.#writing
    const piece = this.#filling
    const bytes = piece.subarray(0, this.#filledBytes)
    this.#filling = pieces.take()
    this.#filledBytes = 0
    this.#writing = writeAll(this.#file, bytes).then(() => pieces.giveBack(piece))
    // Whoever comes next waits for it; until then a failure must not count as unhandled.
    this.#writing.catch(() => {})
    this.#bytes.hash(bytes)
  }
}

/** A disk that fills up writes short. */
async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  for (let rest = bytes; rest.length > 0; ) {
    const { bytesWritten } = await file.write(rest)
    rest = rest.subarray(bytesWritten)
  }
}
