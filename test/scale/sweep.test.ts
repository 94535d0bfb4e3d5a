import t from 'tap'
import { sweepWith } from '../server/staging/sweep-cost.ts'

t.test('a sweep of 100 due bundles costs the same with 1,000 and with 100,000 stored', async t => {
  const few = await sweepWith(1000)
  const many = await sweepWith(100_000)

  for (const { summary } of [few, many]) t.match(summary, { looked: 100, ended: 100, failed: 0 })
  t.equal(many.callsCount, few.callsCount)
})
