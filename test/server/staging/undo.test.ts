import { Readable } from 'node:stream'
import t from 'tap'
import { createStaging, type Staging } from '../../../server/staging/staging.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { dayMs, hourMs } from '../../../shared/units.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { type StoreWatcher, watchStore } from '../../helpers/watched-store.ts'
import { type Objects, simulatedStore } from '../../property/simulated-store.ts'

const never = new AbortController().signal
const uploader = { namespace: 'ns', principal: 'p' }
const silent = { ended: () => {}, failed: () => {} }
const bundleId = '0123456789abcdef0123456789abcdef'

/** The staging domain over a store in memory that is watched. */
function stagingOver(objects: Objects, watcher: StoreWatcher, clock = new TestClock()): Staging {
  const times = { leaseMs: 7 * dayMs, draftLeaseMs: hourMs, maxAgeMs: 365 * dayMs }
  const store = watchStore(
    simulatedStore(objects, async () => {}),
    watcher
  )
  return createStaging(store, clock, times, { maxUploadBytes: 1000, maxEntriesCount: 10 })
}

async function* oneFileThenFailure() {
  yield { kind: 'files', name: 'a', source: Readable.from(['bytes']) }
  throw new Error('the client went away')
}

t.test('an upload that cannot be undone fails with its first error', async t => {
  const objects: Objects = new Map()
  const staging = stagingOver(objects, {
    before: method => {
      if (method === 'delete') throw new StorageError('broken', 'cannot delete')
    }
  })

  const staged = staging.oneShots.stage(
    uploader,
    undefined,
    { files: oneFileThenFailure(), announcedBytes: undefined },
    never
  )

  await t.rejects(staged, { message: 'the client went away' })
})

t.test('an upload that was taken over meanwhile leaves the lease to its new owner', async t => {
  const objects: Objects = new Map()
  const newWriter = { id: 'another', untilMs: Number.MAX_SAFE_INTEGER }
  const staging = stagingOver(objects, {
    before: (method, [key]) => {
      // Between looking whose the lease is and changing it, it becomes another's.
      if (method !== 'delete' || !JSON.stringify(key).includes('manifest')) return
      const [leaseKey, text] = [...objects].find(([key]) => key.endsWith('/lease.json')) ?? []
      objects.set(`${leaseKey}`, JSON.stringify({ ...JSON.parse(`${text}`), attempt: 1, writer: newWriter }))
    }
  })

  await t.rejects(
    staging.oneShots.stage(uploader, 'key', { files: oneFileThenFailure(), announcedBytes: undefined }, never)
  )

  const [lease] = [...objects]
    .filter(([key]) => key.endsWith('/lease.json'))
    .map(([, text]) => JSON.parse(text))
  t.match(lease, { state: 'draft', attempt: 1, writer: newWriter })
})

t.test('a sweep that is told to stop leaves the rest for the next', async t => {
  const stop = new AbortController()
  const folder = 'due/2026-01-01T00/'
  const markers = Array.from({ length: 40 }, (_, number) => folder + number.toString(16).padStart(32, '0'))
  const objects: Objects = new Map(markers.map(marker => [marker, '']))
  const staging = stagingOver(objects, { before: method => void (method === 'create' && stop.abort()) })

  const { looked, failed } = await staging.sweep(silent, stop.signal)

  t.ok(looked > 0 && looked < 40, `${looked} looked at`)
  t.equal(failed, 0)
  t.equal([...objects.keys()].filter(key => key.startsWith(folder)).length, 40 - looked)
})

t.test('a lease that comes up while its marker is settled is left alone', async t => {
  const objects: Objects = new Map([[`due/2026-01-01T00/${bundleId}`, '']])
  const staging = stagingOver(objects, {
    before: (method, [key]) => {
      if (method === 'create' && key === `bundles/${bundleId}/lease.json`)
        objects.set(key, '{"state":"draft"}')
    }
  })

  t.match(await staging.sweep(silent, never), { looked: 1, ended: 0, failed: 0 })

  t.same(objects.get(`bundles/${bundleId}/lease.json`), '{"state":"draft"}')
  t.ok(objects.has(`due/2026-01-01T00/${bundleId}`))
})
