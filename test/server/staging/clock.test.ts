import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { systemClock } from '../../../server/staging/clock.ts'

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
