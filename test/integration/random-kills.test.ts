import t from 'tap'
import { killAtRandom } from './helpers/random-kills.ts'
import { testFolder } from './helpers/test-folder.ts'

t.test('a server killed at random under load loses nothing that was answered, and leaves nothing behind', t =>
  killAtRandom(t, testFolder(t), 25)
)
