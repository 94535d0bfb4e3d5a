/**
 * Waiting time before retry number `attempt`: full jitter, so that a thousand executors restarted
 * together do not return together.
 *
 * @param attempt 1 for the first retry
 * @param baseMs  milliseconds
 * @param capMs   milliseconds; never waits longer
 * @returns milliseconds in `[0, min(capMs, baseMs * 2^(attempt-1))]`
 * @throws RangeError when `attempt` is below 1
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ ("Full Jitter")
 */
export function backoffMs(attempt: number, baseMs: number, capMs: number, random = Math.random): number {
  if (attempt < 1) throw new RangeError(`attempt must be 1 or more, found ${attempt}`)
  return random() * Math.min(capMs, baseMs * 2 ** (attempt - 1))
}

/**
 * What a `Retry-After` header asks for: a number of seconds or a date (RFC 9110, section 10.2.3).
 *
 * @param nowMs milliseconds since the epoch
 * @returns milliseconds, 0 when the header is missing or cannot be read
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0
  const waitMs = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : 0
}
