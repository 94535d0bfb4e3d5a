import { BufferPool } from './buffer-pool.ts'

/** A bounded number of buffers: whoever finds none waits for one, in the order of asking. */
export class PartBuffers {
  readonly #pool: BufferPool
  readonly #waiting: (() => void)[] = []
  #freeCount: number

  constructor(bufferBytes: number, count: number) {
    this.#pool = new BufferPool(bufferBytes, count)
    this.#freeCount = count
  }

  /** @throws the signal's reason, when it aborts before there is one */
  async take(signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted()
    if (this.#freeCount === 0) await this.#turn(signal)
    else this.#freeCount -= 1
    return this.#pool.take()
  }

  giveBack(buffer: Buffer): void {
    this.#pool.giveBack(buffer)
    const next = this.#waiting.shift()
    if (next === undefined) this.#freeCount += 1
    else next()
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        reject(signal.reason)
      }
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.push(enter)
    })
  }
}
