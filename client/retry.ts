import { setTimeout } from 'node:timers/promises'
import { backoffMs } from '../shared/backoff.ts'
import { secondMs } from '../shared/units.ts'
import { ClientError } from './client-error.ts'

/** An attempt failed in a way that the next one may not. */
export class RetryableError extends Error {
  override readonly name = 'RetryableError'
  /** How long the server asked to wait at least; 0 when it did not. Milliseconds. */
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs = 0, options: ErrorOptions = {}) {
    super(message, options)
    this.retryAfterMs = retryAfterMs
  }
}

/** What waiting needs of the world, so that tests can give another one. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number
  wait(ms: number, signal: AbortSignal): Promise<unknown>
}

const realClock: Clock = {
  now: () => performance.now(),
  wait: (ms, signal) => setTimeout(ms, undefined, { signal })
}

/** How patient a {@link Patience} is, and whom it tells. */
export interface PatienceOptions {
  /** Milliseconds without progress after which a failed attempt is the last one. */
  readonly giveUpMs: number
  /** Called before each wait, with one line for people. */
  readonly onRetry?: (line: string) => void
  readonly clock?: Clock
}

/**
 * Repeats what fails in passing, with full jitter and the server's `Retry-After`, until nothing has gone forward
 * for a given time. All calls of one upload share one, so that a slow file does not end while others arrive.
 */
export class Patience {
  readonly #options: PatienceOptions
  readonly #clock: Clock
  #progressAt: number

  constructor(options: PatienceOptions) {
    this.#options = options
    this.#clock = options.clock ?? realClock
    this.#progressAt = this.#clock.now()
  }

  /** Something went forward that had not before: the time to give up starts anew. */
  progress(): void {
    this.#progressAt = this.#clock.now()
  }

  /**
   * @throws ClientError (gaveUp) with the last failure in words
   * @throws whatever `attempt` throws that is no {@link RetryableError}, at once
   */
  async retry<Result>(attempt: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    let outcome = await passingFailure(attempt)
    for (let number = 1; outcome instanceof RetryableError; number += 1) {
      const waitMs = this.#waitMs(number, outcome)
      this.#options.onRetry?.(`${outcome.message}; asking again in ${(waitMs / secondMs).toFixed(1)} s`)
      await this.#clock.wait(waitMs, signal)
      outcome = await passingFailure(attempt)
    }
    this.progress()
    return outcome
  }

  #waitMs(number: number, error: RetryableError): number {
    const leftMs = this.#progressAt + this.#options.giveUpMs - this.#clock.now()
    if (leftMs > error.retryAfterMs) {
      const jitterMs = backoffMs(number, 250, 15 * secondMs)
      return Math.min(error.retryAfterMs + jitterMs, leftMs)
    }
    const seconds = this.#options.giveUpMs / secondMs
    const asked = error.retryAfterMs > 0 ? ` (asked to wait another ${error.retryAfterMs / secondMs} s)` : ''
    throw new ClientError('gaveUp', `gave up after ${seconds} s without progress: ${error.message}${asked}`, {
      cause: error
    })
  }
}

async function passingFailure<Result>(attempt: () => Promise<Result>): Promise<Result | RetryableError> {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof RetryableError) return error
    throw error
  }
}
