import t from 'tap'
import { PartBuffers } from '../../../server/storage/part-buffers.ts'

const never = new AbortController().signal

t.test('who finds no buffer waits for one, in the order of asking', async t => {
  const buffers = new PartBuffers(8, 1)
  const first = await buffers.take(never)
  const order: string[] = []
  const second = buffers.take(never).then(buffer => {
    order.push('second')
    return buffer
  })
  const third = buffers.take(never).then(() => order.push('third'))

  buffers.giveBack(first)
  t.equal(await second, first, 'it is used again')
  buffers.giveBack(await second)
  await third

  t.same(order, ['second', 'third'])
})

t.test('who goes away while waiting leaves the place to the next', async t => {
  const buffers = new PartBuffers(8, 1)
  const first = await buffers.take(never)
  const gone = new AbortController()
  const leaving = buffers.take(gone.signal)
  const next = buffers.take(never)

  gone.abort(new Error('enough'))
  await t.rejects(leaving, { message: 'enough' })
  buffers.giveBack(first)

  t.equal(await next, first)
  await t.rejects(buffers.take(gone.signal), { message: 'enough' }, 'and who is gone already gets none')
})
