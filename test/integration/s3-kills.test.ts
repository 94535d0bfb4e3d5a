import t from 'tap'
import { killReplicas } from './helpers/replica-kills.ts'

t.test('one of three servers killed every 5 s for 40 s: nothing fails, nothing is lost, nothing is left', t =>
  killReplicas(t, 40_000)
)
