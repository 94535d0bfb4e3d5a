/**
 * Buffers of one size that are used again and again: a transfer takes one, and gives it back once nothing refers to it
 * any more. What is idle is kept up to a bound, the rest is left to the garbage collector.
 */
export class BufferPool {
  readonly bufferBytes: number
  readonly #idle: Buffer[] = []
  readonly #maxIdleCount: number

  constructor(bufferBytes: number, maxIdleCount: number) {
    this.bufferBytes = bufferBytes
    this.#maxIdleCount = maxIdleCount
  }

  take(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes)
  }

  giveBack(buffer: Buffer): void {
    if (this.#idle.length < this.#maxIdleCount) this.#idle.push(buffer)
  }
}
