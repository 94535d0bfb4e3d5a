import t from 'tap'
import { loseStore } from './helpers/store-outage.ts'

t.test('a store that is silent, gone, or throttles for a while: nothing fails, and nothing is removed', t =>
  loseStore(t, { silentMs: 15_000, goneMs: 10_000, throttledMs: 15_000 })
)
