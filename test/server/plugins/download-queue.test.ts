import t from 'tap'
import { DownloadQueue } from '../../../server/plugins/download-queue.ts'

const never = new AbortController().signal

/** Downloads that end when the test says so, and the order in which they began. */
function startDownloads(queue: DownloadQueue) {
  const begun: string[] = []
  const waited: string[] = []
  const ends = new Map<string, () => void>()
  const start = (name: string, signal = never, longestMs?: number) =>
    queue.run({ signal, ...(longestMs === undefined ? {} : { longestMs }) }, async hasWaited => {
      begun.push(name)
      if (hasWaited) waited.push(name)
      await new Promise<void>(resolve => ends.set(name, resolve))
      return name
    })
  const end = (name: string) => ends.get(name)?.()
  return { begun, waited, start, end }
}

t.test('downloads beyond the active ones wait, and begin in the order in which they came', async t => {
  const queue = new DownloadQueue({ maxActiveCount: 2, maxQueuedCount: 10 })
  const { begun, waited, start, end } = startDownloads(queue)

  const all = ['a', 'b', 'c', 'd', 'e'].map(name => start(name))

  t.same(begun, ['a', 'b'])
  t.equal(queue.activeCount, 2)
  t.equal(queue.queuedCount, 3)
  end('b')
  await all[1]
  end('a')
  await all[0]
  t.same(begun, ['a', 'b', 'c', 'd'])
  end('d')
  end('c')
  await all[2]
  await all[3]
  end('e')
  t.same(await Promise.all(all), ['a', 'b', 'c', 'd', 'e'])
  t.same(begun, ['a', 'b', 'c', 'd', 'e'])
  t.same(waited, ['c', 'd', 'e'])
  t.equal(queue.activeCount, 0)
  t.equal(queue.queuedCount, 0)
})

t.test('one more than the queue holds is told to come again, and takes no place', async t => {
  const queue = new DownloadQueue({ maxActiveCount: 1, maxQueuedCount: 1 })
  const { start, end } = startDownloads(queue)
  const first = start('first')
  const second = start('second')

  await t.rejects(start('third'), { code: 'STAGE_ERR_BUSY', status: 503, details: { retryAfterSeconds: 10 } })

  t.equal(queue.queuedCount, 1)
  end('first')
  await first
  end('second')
  await second
  t.equal(queue.activeCount, 0)
})

t.test('a waiting client that goes away leaves the queue at once', async t => {
  const queue = new DownloadQueue({ maxActiveCount: 1, maxQueuedCount: 2 })
  const { begun, start, end } = startDownloads(queue)
  const goes = new AbortController()
  const first = start('first')
  const gone = start('gone', goes.signal)
  const last = start('last')

  goes.abort(new Error('client went away'))

  await t.rejects(gone, { message: 'client went away' })
  t.equal(queue.queuedCount, 1)
  await t.rejects(start('gone before', goes.signal), { message: 'client went away' })
  end('first')
  await first
  end('last')
  await last
  t.same(begun, ['first', 'last'])
  t.equal(queue.activeCount, 0)
})

t.test('a download that fails gives its place back', async t => {
  const queue = new DownloadQueue({ maxActiveCount: 1, maxQueuedCount: 1 })

  await t.rejects(
    queue.run({ signal: never }, async () => {
      throw new Error('connection lost')
    }),
    { message: 'connection lost' }
  )

  t.equal(queue.activeCount, 0)
  t.equal(await queue.run({ signal: never }, async hasWaited => hasWaited), false)
})

t.test('one that cannot wait long finds room in a full queue, and begins beside the active ones', async t => {
  const queue = new DownloadQueue({ maxActiveCount: 1, maxQueuedCount: 0 })
  const { begun, start, end } = startDownloads(queue)
  const first = start('first')

  const impatient = queue.run({ signal: never, longestMs: 1 }, async hasWaited => {
    t.equal(hasWaited, true)
    t.equal(queue.activeCount, 2)
    t.equal(queue.queuedCount, 0)
  })

  t.equal(queue.queuedCount, 1)
  await impatient
  t.same(begun, ['first'])
  t.equal(queue.activeCount, 1)

  await t.test('and while more are active than may be, nobody else begins', async t => {
    const second = start('second', never, 1_000_000)
    t.equal(queue.queuedCount, 1)
    await queue.run({ signal: never, longestMs: 1 }, async () => {})
    t.same(begun, ['first'])
    end('first')
    await first
    t.same(begun, ['first', 'second'])
    end('second')
    await second
    t.equal(queue.activeCount, 0)
  })
})
