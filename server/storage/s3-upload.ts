import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { KiB, MiB } from '../../shared/units.ts'
import { ExpectedBytes } from './expected-bytes.ts'
import { PartBuffers } from './part-buffers.ts'
import { releaseChunk } from './release-chunk.ts'
import type { PutExpectations, StoredBytes } from './storage-driver.ts'

/** What an upload asks of S3 for one key. */
export interface UploadTarget {
  putWhole(body: Buffer, signal: AbortSignal): Promise<void>
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

/** Shared by all uploads of the process: 40 MiB, however many there are. */
const buffers = new PartBuffers(partBytes, 8)

/**
 * Streams bytes of unknown length to S3, hashing them on the way: small ones in one request, others in parts. They
 * become visible, whole, only once they have turned out to be what was expected. Whatever fails, the parts are given up.
 */
export async function uploadStream(
  target: UploadTarget,
  source: Readable,
  expected: PutExpectations,
  signal: AbortSignal
): Promise<StoredBytes> {
  const limitBytes = Math.min(expected.limitBytes, mostParts * partBytes)
  const upload = new S3Upload(target, { ...expected, limitBytes }, signal)
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
  /** What came before there was a buffer. */
  #small: Buffer[] = []
  #smallBytes = 0
  #filling: Buffer | undefined
  #filledBytes = 0
  #uploadId: Promise<string> | undefined
  readonly #etags: string[] = []
  readonly #sending = new Set<Promise<void>>()

  constructor(target: UploadTarget, expected: PutExpectations, signal: AbortSignal) {
    this.#target = target
    this.#bytes = new ExpectedBytes(expected)
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
      await this.#target.putWhole(this.#rest(), this.signal)
      return stored
    }
    if (this.#filling !== undefined) await this.#sendFilled(this.#filling)
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
    if (this.#filling !== undefined) buffers.giveBack(this.#filling)
    this.#filling = undefined
  }

  async #gather(bytes: Buffer): Promise<void> {
    let filling = this.#filling ?? (await this.#takeBuffer())
    this.#filledBytes += Buffer.concat(this.#small.splice(0)).copy(filling, this.#filledBytes)
    let rest = bytes
    while (rest.length > 0) {
      if (this.#filledBytes === partBytes) {
        await this.#sendFilled(filling)
        filling = await this.#takeBuffer()
      }
      const copied = rest.copy(filling, this.#filledBytes)
      this.#filledBytes += copied
      rest = rest.subarray(copied)
    }
    releaseChunk(bytes)
  }

  async #takeBuffer(): Promise<Buffer> {
    const filling = await buffers.take(this.signal)
    this.#filling = filling
    this.#filledBytes = 0
    return filling
  }

  /** Starts to send the buffer that is full, once not too many parts are under way. */
  async #sendFilled(piece: Buffer): Promise<void> {
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
        buffers.giveBack(piece)
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
