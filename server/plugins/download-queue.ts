import { StagingError } from '../../shared/errors.ts'

/** When a client that found no room in the queue may come again. */
const retryAfterSeconds = 10

export interface QueueLimits {
  /** Downloads that send bytes at the same time. */
  readonly maxActiveCount: number
  /** Downloads that wait for their turn. */
  readonly maxQueuedCount: number
}

/** How a download waits. */
export interface Waiting {
  /** Aborts when the client goes away: then its place in the queue is free at once. */
  readonly signal: AbortSignal
  /**
   * For clients that bear neither a refusal nor a long silence: it waits however many do, and after so many
   * milliseconds it begins beside those that are active.
   */
  readonly longestMs?: number
}

/**
 * Lets a herd of downloads through a few at a time, first come, first served: so each is fast once it begins, and the
 * memory for buffers has a bound. Whoever waits holds nothing but its connection.
 */
export class DownloadQueue {
  readonly #limits: QueueLimits
  /** What begins each waiting download, in the order of arrival. */
  readonly #waiting = new Set<() => void>()
  #activeCount = 0

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /** How many downloads are sending. */
  get activeCount(): number {
    return this.#activeCount
  }

  /** How many downloads wait for their turn. */
  get queuedCount(): number {
    return this.#waiting.size
  }

  /**
   * Runs `send` when its turn comes.
   *
   * @param send is told whether it had to wait: what was true before may be so no more
   * @throws StagingError `STAGE_ERR_BUSY` when the queue is full; the signal's reason; whatever `send` throws
   */
  async run<T>(waiting: Waiting, send: (hasWaited: boolean) => Promise<T>): Promise<T> {
    const hasWaited = this.#activeCount >= this.#limits.maxActiveCount
    if (hasWaited) await this.#wait(waiting)
    else this.#activeCount += 1
    try {
      return await send(hasWaited)
    } finally {
      this.#leave()
    }
  }

  #wait({ signal, longestMs }: Waiting): Promise<void> {
    const { maxQueuedCount } = this.#limits
    if (longestMs === undefined && this.#waiting.size >= maxQueuedCount) {
      throw new StagingError('STAGE_ERR_BUSY', { retryAfterSeconds })
    }
    signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      const stopWaiting = () => {
        this.#waiting.delete(begin)
        signal.removeEventListener('abort', giveUp)
        clearTimeout(timer)
      }
      const begin = () => {
        stopWaiting()
        this.#activeCount += 1
        resolve()
      }
      const giveUp = () => {
        stopWaiting()
        reject(signal.reason)
      }
      const timer = longestMs === undefined ? undefined : setTimeout(begin, longestMs)
      signal.addEventListener('abort', giveUp)
      this.#waiting.add(begin)
    })
  }

  /** Gives a place to the first in the queue, unless more than there are places for have begun. */
  #leave(): void {
    this.#activeCount -= 1
    if (this.#activeCount >= this.#limits.maxActiveCount) return
    const [next] = this.#waiting
    next?.()
  }
}
