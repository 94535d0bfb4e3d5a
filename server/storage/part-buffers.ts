import { secondMs } from '../../shared/units.ts'
import { BufferPool } from './buffer-pool.ts'

/** Whoever has a buffer, and has been asked once since others wait. */
interface Holder {
  readonly spare: () => void
  isOld: boolean
}

/** How long others wait before a holder is asked: a client of some speed has filled its buffer by then. */
const defaultPatienceMs = 5 * secondMs

/**
 * A bounded number of buffers: whoever finds none waits for one, in the order of asking. Those who are slow to use theirs
 * are asked to do without for a while: else as many slow clients as there are buffers would keep out all others.
 */
export class PartBuffers {
  readonly #pool: BufferPool
  readonly #patienceMs: number
  readonly #waiting: (() => void)[] = []
  /** Those who can do without their buffers, the oldest first. */
  readonly #holders = new Map<Buffer, Holder>()
  #freeCount: number
  #asking: NodeJS.Timeout | undefined

  constructor(bufferBytes: number, count: number, patienceMs = defaultPatienceMs) {
    this.#pool = new BufferPool(bufferBytes, count)
    this.#freeCount = count
    this.#patienceMs = patienceMs
  }

  /**
   * @param spare called, until {@link keep}, while others wait: may give the buffer back at once
   * @throws the signal's reason, when it aborts before there is one
   */
  async take(signal: AbortSignal, spare: () => void): Promise<Buffer> {
    signal.throwIfAborted()
    if (this.#freeCount === 0) await this.#turn(signal)
    else this.#freeCount -= 1
    const buffer = this.#pool.take()
    this.#holders.set(buffer, { spare, isOld: false })
    return buffer
  }

  /** From now on its holder cannot do without it. */
  keep(buffer: Buffer): void {
    this.#holders.delete(buffer)
  }

  giveBack(buffer: Buffer): void {
    this.#holders.delete(buffer)
    this.#pool.giveBack(buffer)
    const next = this.#waiting.shift()
    if (next === undefined) this.#freeCount += 1
    else next()
    this.#askNoMore()
  }

  #turn(signal: AbortSignal): Promise<void> {
    this.#asking ??= setInterval(() => this.#askHolders(), this.#patienceMs)
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1)
        this.#askNoMore()
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

  /** Asks those who had their buffers the last time already, until nobody waits. */
  #askHolders(): void {
    for (const holder of [...this.#holders.values()]) {
      if (holder.isOld && this.#waiting.length > 0) holder.spare()
      holder.isOld = true
    }
  }

  /** Once nobody waits. */
  #askNoMore(): void {
    if (this.#waiting.length > 0) return
    clearInterval(this.#asking)
    this.#asking = undefined
  }
}
