import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { clockOf, systemClock } from '../../../server/staging/clock.ts'
import { simulatedStore } from '../../property/simulated-store.ts'

t.test('what is due in years does not run at once', async t => {
  let runCount = 0
  const warned = new AbortController()
  const warning = once(process, 'warning', { signal: warned.signal }).then(([{ name }]) => name)

  const stop = systemClock.every(10 * 365 * 86_400_000, () => {
    runCount += 1
  })
  await setImmediate()
  stop()
  warned.abort()

  // Node warns of a timer that it cannot keep, and runs it after a millisecond.
  await t.rejects(warning, { name: 'AbortError' })
  t.equal(runCount, 0)
})

t.test('who waits is not waited for', async t => {
  const startedMs = systemClock.steady()

  await systemClock.wait(2)

  t.ok(systemClock.steady() - startedMs >= 1)
})

t.test('a store with a clock gives its time to all that use it; any other leaves them their own', async t => {
  const store = simulatedStore(new Map(), async () => {})

  const clock = clockOf({ ...store, clockAheadMs: () => -3_600_000 })

  const aheadMs = clock.now() - Date.now()
  t.ok(Math.abs(aheadMs + 3_600_000) < 1000, `${aheadMs} ms`)
  t.equal(clock.asideMs?.(), 3_600_000)
  t.equal(clockOf(store), systemClock)
})
