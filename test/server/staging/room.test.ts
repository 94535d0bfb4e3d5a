import { Readable } from 'node:stream'
import t from 'tap'
import { createStaging } from '../../../server/staging/staging.ts'
import { type StorageDriver, StorageError, type StoreSpace } from '../../../server/storage/storage-driver.ts'
import { StagingError } from '../../../shared/errors.ts'
import { dayMs, hourMs } from '../../../shared/units.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { watchStore } from '../../helpers/watched-store.ts'
import { type Objects, simulatedStore } from '../../property/simulated-store.ts'

const never = new AbortController().signal
const uploader = { namespace: 'ns', principal: 'p' }

function stagingOver(store: StorageDriver) {
  const times = { leaseMs: 7 * dayMs, draftLeaseMs: hourMs, maxAgeMs: 365 * dayMs }
  return createStaging(store, new TestClock(), times, { maxUploadBytes: 1000, maxEntriesCount: 10 })
}

function storeWith(space: StoreSpace, objects: Objects = new Map()): StorageDriver {
  return { ...simulatedStore(objects, async () => {}), space: async () => space }
}

async function* oneFile() {
  yield { kind: 'files', name: 'a', source: Readable.from(['bytes']) }
}

t.test('an upload that the disk has no room for is refused before its first byte', async t => {
  const objects: Objects = new Map()
  const staging = stagingOver(storeWith({ totalBytes: 500, freeBytes: 99 }, objects))

  const staged = staging.oneShots.stage(uploader, undefined, { files: oneFile(), announcedBytes: 100 }, never)

  const details = { limitBytes: 500, usedBytes: 401, askedBytes: 100, largest: [{ path: 'files/a' }] }
  await t.rejects(staged, { code: 'STAGE_ERR_NO_SPACE', details })
  t.same([...objects.keys()], [])
})

t.test('a disk that fills up meanwhile is told with its figures', async t => {
  const store = watchStore(storeWith({ totalBytes: 500, freeBytes: 400 }), {
    before: method => {
      if (method === 'put') throw new StorageError('no-space', 'ENOSPC')
    }
  })

  const staged = stagingOver(store).oneShots.stage(
    uploader,
    undefined,
    { files: oneFile(), announcedBytes: 100 },
    never
  )

  const error = await staged.catch(error => error)
  t.match(error, {
    code: 'STAGE_ERR_NO_SPACE',
    details: { limitBytes: 500, usedBytes: 100, found: 'more bytes' }
  })
  t.ok(error instanceof StagingError)
  t.match(error.cause, { failure: 'no-space' })
})

t.test(
  'a bundle whose ledger cannot be written after its commit is staged, and counts as reserved',
  async t => {
    const objects: Objects = new Map()
    const swaps = { count: 0 }
    const store = watchStore(
      simulatedStore(objects, async () => {}),
      {
        before: (method, [key]) => {
          if (method === 'replace' && key === 'usage.json') {
            swaps.count += 1
            throw new StorageError('no-space', 'ENOSPC')
          }
        }
      }
    )
    const staging = stagingOver(store)

    const { bundleId } = await staging.oneShots.stage(
      uploader,
      undefined,
      { files: oneFile(), announcedBytes: 100 },
      never
    )

    t.equal(swaps.count, 1)
    t.same(await staging.usage.read(), {
      held: {},
      open: { [`${bundleId}/0`]: { namespace: 'ns', bytes: 100 } }
    })
  }
)

t.test('an upload fails when the ledger does for another reason', async t => {
  const store = watchStore(
    simulatedStore(new Map(), async () => {}),
    {
      before: (method, [key]) => {
        if (method === 'replace' && key === 'usage.json') throw new TypeError('a fault of ours')
      }
    }
  )

  const staged = stagingOver(store).oneShots.stage(
    uploader,
    undefined,
    { files: oneFile(), announcedBytes: 100 },
    never
  )

  await t.rejects(staged, { message: 'a fault of ours' })
})

t.test('a declaration that is overtaken by the commit of the same draft counts no more', async t => {
  const objects: Objects = new Map()
  const store = watchStore(
    simulatedStore(objects, async () => {}),
    {
      after: (method, [key]) => {
        if (method !== 'create' || key !== 'usage.json') return
        const [lease] = [...objects.keys()].filter(name => name.endsWith('/lease.json'))
        const draft = JSON.parse(objects.get(`${lease}`) ?? '')
        objects.set(`${lease}`, JSON.stringify({ ...draft, state: 'committed' }))
      }
    }
  )
  const staging = stagingOver(store)
  const entry = { kind: 'files', name: 'a', sizeBytes: 5, sha256: 'a'.repeat(64) }

  await staging.drafts.declare(uploader, 'key', [entry])

  t.same(await staging.usage.read(), { held: {}, open: {} })
})
