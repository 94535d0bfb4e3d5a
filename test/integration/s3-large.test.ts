import t from 'tap'
import { MiB } from '../../shared/units.ts'
import { killInTheMiddle, uploadLarge } from './helpers/large-upload.ts'

t.test('600 MB go through servers that need little memory', t => uploadLarge(t, 600_000_000))

t.test('of an upload whose server was killed in the middle, nothing is left after the sweep', t =>
  killInTheMiddle(t, 300 * MiB)
)
