import t from 'tap'
import { sweepAmong } from './helpers/sweep-requests.ts'

t.test('a sweep of 100 due bundles costs the same requests with 1,000 and with 10,000 stored', t =>
  sweepAmong(t, 1000, 10_000)
)
