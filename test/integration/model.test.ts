import t from 'tap'
import { runWholeModel } from './helpers/whole-model.ts'

t.test(
  'ten thousand interleavings of several servers on a store that may fail them keep the promises, and everything wrong is found',
  t => runWholeModel(t, 10_000)
)
