import { backoffMs } from '../shared/backoff.ts'
import { secondMs } from '../shared/units.ts'
import { explainNetworkError } from './explain-network-error.ts'
import type { FetchOptions, Report } from './fetch-bundle.ts'
import { FetchError, TransientError } from './fetch-error.ts'
import type { Surroundings } from './surroundings.ts'

const firstWaitMs = 0.5 * secondMs
const longestWaitMs = 30 * secondMs

/** How long to go on, and whom to tell meanwhile. */
export interface Patience {
  readonly options: Pick<FetchOptions, 'giveUpMs' | 'caFile'>
  readonly report: Pick<Report, 'event'>
  readonly surroundings: Surroundings
}

/**
 * Makes attempts until one succeeds, one fails for good, or nothing new has come for `giveUpMs`: that clock runs from
 * the last call of `progressed`, not from the last attempt. Waits with full jitter, after what `Retry-After` asks for,
 * but never beyond the end of the clock, where the last attempt is made.
 *
 * @throws FetchError of the last attempt's cause when patience runs out
 * @throws the signal's reason, and at once whatever `attempt` throws that no later attempt can better
 */
export async function persevere<T>(
  { options, report, surroundings }: Patience,
  subject: string,
  signal: AbortSignal,
  attempt: (progressed: () => void) => Promise<T>
): Promise<T> {
  let progressMs = surroundings.nowMs()
  let failedCount = 0
  const progressed = (): void => {
    progressMs = surroundings.nowMs()
    failedCount = 0
  }
  for (;;) {
    try {
      return await attempt(progressed)
    } catch (thrown) {
      signal.throwIfAborted()
      const error = explainNetworkError(thrown, subject, options.caFile)
      if (!(error instanceof TransientError)) throw error
      failedCount += 1
      const leftMs = progressMs + options.giveUpMs - surroundings.nowMs()
      if (leftMs <= 0) throw new FetchError(error.failure, error)
      const jitterMs = backoffMs(failedCount, firstWaitMs, longestWaitMs, surroundings.random)
      const waitMs = Math.ceil(Math.min(leftMs, error.retryAfterMs + jitterMs))
      const { expected, found } = error.failure
      report.event('warn', 'asking again', { file: subject, expected, found, waitMs })
      await surroundings.sleep(waitMs, signal)
    }
  }
}
