import t from 'tap'
import { backoffMs, retryAfterMs } from '../../shared/backoff.ts'

t.test('the waiting time doubles up to its cap, with full jitter', t => {
  const longest = () => 1
  t.strictSame(
    [1, 2, 3, 4, 5].map(attempt => backoffMs(attempt, 100, 1000, longest)),
    [100, 200, 400, 800, 1000]
  )
  t.equal(
    backoffMs(5, 100, 1000, () => 0),
    0
  )
  t.ok(backoffMs(1, 100, 1000) < 100)
  t.throws(() => backoffMs(0, 100, 1000), new RangeError('attempt must be 1 or more, found 0'))
  t.end()
})

t.test('Retry-After is seconds or a date, and nonsense is no reason to wait', t => {
  const nowMs = Date.parse('2026-01-01T00:00:00Z')
  t.equal(retryAfterMs('2', nowMs), 2000)
  t.equal(retryAfterMs(' 0 ', nowMs), 0)
  t.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:05 GMT', nowMs), 5000)
  for (const header of [undefined, '', 'soon', '1.5.', 'Wed, 31 Dec 2025 00:00:00 GMT'])
    t.equal(retryAfterMs(header, nowMs), 0)
  t.end()
})
