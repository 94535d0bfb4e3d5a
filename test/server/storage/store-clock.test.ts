import t from 'tap'
import { StoreClock } from '../../../server/storage/store-clock.ts'

const nowMs = Date.parse('2026-01-01T12:00:00.300Z')
const dated = (atMs: number) => ({ headers: { date: new Date(atMs).toUTCString() } })

t.test('a clock that may be right is taken for right', t => {
  const clock = new StoreClock()

  clock.learn(dated(nowMs), nowMs - 50, nowMs)

  t.equal(clock.aheadMs, 0)
  t.end()
})

t.test('of another clock as much is known as an answer tells, and a better one tells more', t => {
  const clock = new StoreClock()
  const hourMs = 3_600_000

  clock.learn(dated(nowMs + hourMs), nowMs - 30_000, nowMs)
  t.equal(clock.aheadMs, hourMs - 300, 'it was dated at least so late')
  clock.learn(dated(nowMs + hourMs + 700), nowMs + 700, nowMs + 700)
  t.equal(clock.aheadMs, hourMs, 'at the beginning of a second more is known')
  clock.learn(dated(nowMs + hourMs), nowMs - 20_000, nowMs)
  t.equal(clock.aheadMs, hourMs, 'an answer that took long tells less')
  clock.learn(dated(nowMs - hourMs), nowMs, nowMs)
  t.equal(clock.aheadMs, 700 - hourMs)
  t.end()
})

t.test('an answer without a date tells nothing', t => {
  const clock = new StoreClock()

  for (const response of [{}, { headers: {} }, { headers: { date: 'yesterday' } }])
    clock.learn(response, 0, 0)

  t.equal(clock.aheadMs, 0)
  t.end()
})
