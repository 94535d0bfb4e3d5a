import t from 'tap'
import { runWholeModel } from '../integration/helpers/whole-model.ts'

// What has gone wrong once in forty thousand was a fault all the same.
t.test('two hundred thousand interleavings keep the promises, and everything wrong is found', t =>
  runWholeModel(t, 200_000)
)
