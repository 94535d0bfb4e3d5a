import t from 'tap'
import { imageArchitecture } from '../../build/image-architecture.ts'

t.test('an architecture has the name that images have for it', async t => {
  t.equal(imageArchitecture('x64'), 'amd64')
  t.equal(imageArchitecture('arm64'), 'arm64')
})
