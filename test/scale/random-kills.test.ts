import t from 'tap'
import { killAtRandom } from '../integration/helpers/random-kills.ts'
import { testFolder } from '../integration/helpers/test-folder.ts'

t.test('a server killed a hundred times under load loses nothing, and leaves nothing behind', t =>
  killAtRandom(t, testFolder(t), 100)
)
