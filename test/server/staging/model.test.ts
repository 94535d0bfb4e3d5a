import fc from 'fast-check'
import t from 'tap'
import { interleaving, live } from '../../property/model.ts'
import { mutations } from '../../property/mutations.ts'

t.test('whatever is staged, read, renewed, revoked and swept at once, the promises hold', async t => {
  const property = fc.asyncProperty(interleaving, events => live(events))
  await fc.assert(property, { numRuns: 100 })

  t.pass('100 interleavings; the integration suite has 10,000')
})

for (const wrongOrder of [
  'the manifest is written after the swap',
  'data is removed before the swap',
  'what was begun in parts is left to itself'
]) {
  t.test(`it is noticed when ${wrongOrder}`, async t => {
    const property = fc.asyncProperty(interleaving, events => live(events, mutations[wrongOrder]))
    const { failed } = await fc.check(property, { numRuns: 300, endOnFailure: true })

    t.ok(failed)
  })
}
