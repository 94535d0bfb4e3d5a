import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { KiB, MiB } from '../../shared/units.ts'
import { ExpectedBytes } from './expected-bytes.ts'
import { PartBuffers } from './part-buffers.ts'
import { releaseChunk } from './release-chunk.ts'
import type { PutExpectations, StoredBytes } from './storage-driver.ts'

/** What an upload asks of S3 for one key. */
export interface UploadTarget {
  /** Cannot be aborted: what was sent may arrive, and then it must not be taken for failed. */
  putWhole(body: Buffer): Promise<void>
  /** Cannot be aborted: what S3 has begun has to be known to be given up. */
  begin(): Promise<string>
  /** Sends a part; its bytes may not change until then. @returns its ETag */
  sendPart(uploadId: string, number: number, body: Buffer, signal: AbortSignal): Promise<string>
  complete(uploadId: string, etags: readonly string[]): Promise<void>
  /** Never fails: what it leaves is the sweep's. */
  abort(uploadId: string): Promise<void>
}

/** Up to this size bytes wait in the network's own buffers, and hold no part buffer: most small files, and slow starts. */
const smallBytes = 64 * KiB

/** The least that S3 takes as a part; ten thousand of them are 48.8 GiB. */
export const partBytes = 5 * MiB

/** The most that one upload can have. */
export const mostParts = 10_000

/** One upload sends so many parts at once, as long as others leave it the buffers. */
const parallelPartsCount = 4

/** So much of a part waits outside of a buffer, while others need it more than a slow client. */
const mostSpareBytes = 1 * MiB

/** Shared by all uploads of the process: 30 MiB, however many there are. */
const sharedBuffers = new PartBuffers(partBytes, 6)

/**
 * Streams bytes of unknown length to S3, hashing them on the way: small ones in one request, others in parts. They
 * become visible, whole, only once they have turned out to be what was expected. Whatever fails, the parts are given up.
 *
 * @param buffers of {@link partBytes}; by default those of all uploads
 */
export async function uploadStream(
  target: UploadTarget,
  source: Readable,
  expected: PutExpectations,
  signal: AbortSignal,
  buffers = sharedBuffers
): Promise<StoredBytes> {
  const limitBytes = Math.min(expected.limitBytes, mostParts * partBytes)
  const upload = new S3Upload(target, { ...expected, limitBytes }, signal, buffers)
  const sent = pipeline(source, chunks => upload.take(chunks), { signal: upload.signal })
  try {
    return await sent.then(() => upload.finish()).catch(error => upload.giveUp(error))
  } finally {
    upload.letGo()
  }
}

class S3Upload {
  readonly #target: UploadTarget
  /** Aborts with the client, and when a part fails. */
  readonly signal: AbortSignal
  /** Ends the parts that are under way when one fails. */
  readonly #failed = new AbortController()
  readonly #bytes: ExpectedBytes
  readonly #buffers: PartBuffers
  /** What came while there was no buffer. */
  #small: Buffer[] = []
  #smallBytes = 0
  #filling: Buffer | undefined
  #filledBytes = 0
  #uploadId: Promise<string> | undefined
  readonly #etags: string[] = []
  readonly #sending = new Set<Promise<void>>()

  constructor(target: UploadTarget, expected: PutExpectations, signal: AbortSignal, buffers: PartBuffers) {
    this.#target = target
    this.#bytes = new ExpectedBytes(expected)
    this.#buffers = buffers
    this.signal = AbortSignal.any([signal, this.#failed.signal])
  }

  async take(chunks: AsyncIterable<Buffer | string>): Promise<void> {
    for await (const chunk of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
      this.#bytes.count(bytes.length)
      this.#bytes.hash(bytes)
      if (this.#filling === undefined && this.#smallBytes + bytes.length <= smallBytes) {
        this.#small.push(bytes)
        this.#smallBytes += bytes.length
        continue
      }
      await this.#gather(bytes)
    }
  }

  /** Sends what is left, and makes all of it visible. @throws StagingError when it is not what was expected */
  async finish(): Promise<StoredBytes> {
    const stored = this.#bytes.result()
    if (this.#uploadId === undefined) {
      if (this.#filling !== undefined) this.#buffers.keep(this.#filling)
      await this.#target.putWhole(this.#rest())
      return stored
    }
    await this.#sendFilled(await this.#fillable())
    await Promise.all(this.#sending)
    this.#failed.signal.throwIfAborted()
    await this.#target.complete(await this.#begun(), this.#etags)
    return stored
  }

  /**
   * Leaves nothing in S3; resolves when nothing of this is under way any more.
   *
   * @throws what failed first
   */
  async giveUp(error: unknown): Promise<never> {
    this.#failed.abort(error)
    // A part that arrives after the abort would stay.
    await Promise.allSettled(this.#sending)
    const uploadId = await this.#uploadId?.catch(() => undefined)
    if (uploadId !== undefined) await this.#target.abort(uploadId)
    throw this.#failed.signal.reason
  }

  letGo(): void {
    if (this.#filling !== undefined) this.#buffers.giveBack(this.#filling)
    this.#filling = undefined
  }

  async #gather(bytes: Buffer): Promise<void> {
    let filling = await this.#fillable()
    let rest = bytes
    while (rest.length > 0) {
      if (this.#filledBytes === partBytes) {
        await this.#sendFilled(filling)
        filling = await this.#fillable()
      }
      const copied = rest.copy(filling, this.#filledBytes)
      this.#filledBytes += copied
      rest = rest.subarray(copied)
    }
    releaseChunk(bytes)
  }

  /** The buffer that is being filled, with what came while there was none. */
  async #fillable(): Promise<Buffer> {
    if (this.#filling !== undefined) return this.#filling
    const filling = await this.#buffers.take(this.signal, () => this.#spare())
    this.#filling = filling
    this.#filledBytes = Buffer.concat(this.#small.splice(0)).copy(filling)
    this.#smallBytes = 0
    return filling
  }

  /** Does without its buffer until its client sends more. */
  #spare(): void {
    if (this.#filling === undefined || this.#filledBytes > mostSpareBytes) return
    this.#small.push(Buffer.from(this.#filling.subarray(0, this.#filledBytes)))
    this.#smallBytes = this.#filledBytes
    this.letGo()
  }

  /** Starts to send the buffer that is full, once not too many parts are under way. */
  async #sendFilled(piece: Buffer): Promise<void> {
    this.#buffers.keep(piece)
    const uploadId = await this.#begun()
    while (this.#sending.size >= parallelPartsCount) await Promise.race(this.#sending)
    this.#failed.signal.throwIfAborted()
    const number = this.#etags.push('')
    const body = piece.subarray(0, this.#filledBytes)
    this.#filling = undefined
    const sending = this.#target
      .sendPart(uploadId, number, body, this.signal)
      .then(etag => {
        this.#etags[number - 1] = etag
      })
      .finally(() => {
        this.#buffers.giveBack(piece)
        this.#sending.delete(sending)
      })
    // Whoever waits for it next is told; until then it must not count as unhandled.
    sending.catch(error => this.#failed.abort(error))
    this.#sending.add(sending)
  }

  #begun(): Promise<string> {
    this.#uploadId ??= this.#target.begin()
    return this.#uploadId
  }

  #rest(): Buffer {
    return this.#filling?.subarray(0, this.#filledBytes) ?? Buffer.concat(this.#small)
  }
}
