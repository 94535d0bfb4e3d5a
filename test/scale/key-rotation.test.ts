import t from 'tap'
import { rotateUnderLoad } from '../integration/helpers/key-rotation.ts'

t.test('a new key that reaches two servers a minute apart, under load, causes no refusal', t =>
  rotateUnderLoad(t, { apartSeconds: 60, activationSeconds: 75 })
)
