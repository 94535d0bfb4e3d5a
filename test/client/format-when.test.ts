import t from 'tap'
import { formatWhen } from '../../client/format-when.ts'
import { dayMs, hourMs } from '../../shared/units.ts'

t.test('a moment is told in its largest unit of which there are two, never rounded up', async t => {
  t.equal(formatWhen(7 * dayMs - 1, 0), 'in 6 d')
  t.equal(formatWhen(2 * dayMs - 1, 0), 'in 47 h')
  t.equal(formatWhen(0, 90 * 60_000), '90 min ago')
  t.equal(formatWhen(0, 3 * hourMs), '3 h ago')
  t.equal(formatWhen(0, 119_999), '119 s ago')
  t.equal(formatWhen(1000, 0), 'in 1 s')
  t.equal(formatWhen(999, 0), 'now')
})
