import t from 'tap'
import { PartBuffers } from '../../../server/storage/part-buffers.ts'

const never = new AbortController().signal
const insist = () => {}

t.test('who finds no buffer waits for one, in the order of asking', async t => {
  const buffers = new PartBuffers(8, 1)
  const first = await buffers.take(never, insist)
  const order: string[] = []
  const second = buffers.take(never, insist).then(buffer => {
    order.push('second')
    return buffer
  })
  const third = buffers.take(never, insist).then(() => order.push('third'))

  buffers.giveBack(first)
  t.equal(await second, first, 'it is used again')
  buffers.giveBack(await second)
  await third

  t.same(order, ['second', 'third'])
})

t.test('who goes away while waiting leaves the place to the next', async t => {
  const buffers = new PartBuffers(8, 1)
  const first = await buffers.take(never, insist)
  const gone = new AbortController()
  const leaving = buffers.take(gone.signal, insist)
  const next = buffers.take(never, insist)

  gone.abort(new Error('enough'))
  await t.rejects(leaving, { message: 'enough' })
  buffers.giveBack(first)

  t.equal(await next, first)
  await t.rejects(
    buffers.take(gone.signal, insist),
    { message: 'enough' },
    'and who is gone already gets none'
  )
})

t.test('while others wait, who is slow with a buffer is asked to do without it', async t => {
  const buffers = new PartBuffers(8, 2, 1)
  const order: string[] = []
  const kept = await buffers.take(never, () => order.push('the one that is kept'))
  buffers.keep(kept)
  const spared = await buffers.take(never, () => {
    order.push('the one that is spared')
    buffers.giveBack(spared)
  })

  t.equal(await buffers.take(never, insist), spared)

  t.same(order, ['the one that is spared'])
})

t.test('who insists on a buffer keeps it', async t => {
  const buffers = new PartBuffers(8, 1, 1)
  let askedCount = 0
  const asked = Promise.withResolvers<void>()
  const first = await buffers.take(never, () => {
    askedCount += 1
    if (askedCount === 2) asked.resolve()
  })
  let isTaken = false
  const second = buffers.take(never, insist).then(() => {
    isTaken = true
  })

  await asked.promise
  t.equal(isTaken, false)
  buffers.giveBack(first)

  await second
})
