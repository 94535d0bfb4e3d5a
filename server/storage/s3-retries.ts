import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { backoffMs } from '../../shared/backoff.ts'
import { secondMs } from '../../shared/units.ts'

/** What the SDK asks whether, and when, to send a request again. */
type RetryStrategy = Extract<
  NonNullable<S3ClientConfig['retryStrategy']>,
  { readonly acquireInitialRetryToken: unknown }
>

type RetryToken = Awaited<ReturnType<RetryStrategy['acquireInitialRetryToken']>>

/** What the SDK takes for an accident or for throttling: the rest is no better the next time. */
const passing = ['TRANSIENT', 'THROTTLING']

const baseMs = 200
const capMs = 5 * secondMs

/**
 * Sends a request so many times, with full jitter between. The SDK's own strategy pays for each retry from a budget that all
 * requests share: under throttling it is used up after some hundred requests, and from then on none is sent again.
 */
export function retryEach(attemptsCount: number): RetryStrategy {
  return {
    acquireInitialRetryToken: async () => token(0, 0),
    async refreshRetryTokenForRetry(before, { errorType, error, retryAfterHint }) {
      const retryCount = before.getRetryCount() + 1
      if (retryCount >= attemptsCount || !passing.includes(errorType)) throw error
      const askedMs = Math.min((retryAfterHint?.getTime() ?? 0) - Date.now(), capMs)
      return token(retryCount, Math.max(askedMs, backoffMs(retryCount, baseMs, capMs)))
    },
    recordSuccess() {}
  }
}

function token(retryCount: number, delayMs: number): RetryToken {
  return { getRetryCount: () => retryCount, getRetryDelay: () => delayMs }
}
