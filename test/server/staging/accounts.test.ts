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

t.test('a revocation that meets the last sweep counts the bundle off once', async t => {
  const objects: Objects = new Map()
  const hooks: { onTaken?: () => void } = {}
  const store = watchStore(
    simulatedStore(objects, async () => {}),
    {
      after: (method, [key, text]) => {
        if (method === 'replace' && key === 'usage.json' && String(text).includes('takenBy'))
          hooks.onTaken?.()
      }
    }
  )
  const staging = stagingOver(store)
  const upload = { files: oneFile(), announcedBytes: 100 }
  const { bundleId } = await staging.oneShots.stage(uploader, undefined, upload, never)
  hooks.onTaken = () => {
    // All of it was done by another meanwhile: counted off, and the lease forgotten.
    objects.set(
      'usage.json',
      objects.get('usage.json')?.replace('"held":{"ns":{"bytes":5,"bundlesCount":1}}', '"held":{}') ?? ''
    )
    for (const key of objects.keys()) if (key.endsWith('/lease.json')) objects.delete(key)
  }

  await staging.bundles.revoke('ns', bundleId)

  t.same(await staging.usage.read(), { held: {}, open: {} })
})

t.test(
  'a removal that goes on when its id has come again leaves the new bundle and its count alone',
  async t => {
    const objects: Objects = new Map()
    const hooks: { onTaken?: () => void } = {}
    const store = watchStore(
      simulatedStore(objects, async () => {}),
      {
        after: (method, [key, text]) => {
          if (method === 'replace' && key === 'usage.json' && String(text).includes('takenBy'))
            hooks.onTaken?.()
        }
      }
    )
    const staging = stagingOver(store)
    const upload = { files: oneFile(), announcedBytes: 100 }
    const { bundleId } = await staging.oneShots.stage(uploader, undefined, upload, never)
    const leaseKey = `bundles/${bundleId}/lease.json`
    const again = JSON.stringify({ ...JSON.parse(objects.get(leaseKey) ?? ''), createdAtMs: 1 })
    hooks.onTaken = () => void objects.set(leaseKey, again)

    await staging.bundles.revoke('ns', bundleId)

    t.equal(objects.get(leaseKey), again)
    t.same((await staging.usage.read()).held, { ns: { bytes: 5, bundlesCount: 1 } })
  }
)

t.test('a lease that cannot be swapped for another reason fails the removal', async t => {
  let isBroken = false
  const store = watchStore(
    simulatedStore(new Map(), async () => {}),
    {
      after: (method, [key, text]) => {
        if (method === 'replace' && key === 'usage.json' && String(text).includes('takenBy')) isBroken = true
      },
      before: method => {
        if (isBroken && method === 'read') throw new StorageError('broken', 'cannot read')
      }
    }
  )
  const staging = stagingOver(store)
  const upload = { files: oneFile(), announcedBytes: 100 }
  const { bundleId } = await staging.oneShots.stage(uploader, undefined, upload, never)

  await t.rejects(staging.bundles.revoke('ns', bundleId), { name: 'StorageError', failure: 'broken' })
})

for (const key of [undefined, 'key']) {
  t.test(
    `an upload ${key === undefined ? 'without' : 'with'} a key whose bundle is revoked meanwhile leaves nothing`,
    async t => {
      const objects: Objects = new Map()
      const staging = stagingOver(simulatedStore(objects, async () => {}))
      async function* files() {
        yield* oneFile()
        const [lease = ''] = [...objects.keys()].filter(name => name.endsWith('/lease.json'))
        await staging.bundles.revoke('ns', lease.split('/')[1] ?? '')
        yield { kind: 'files', name: 'b', source: Readable.from(['more bytes']) }
      }

      const staged = staging.oneShots.stage(
        uploader,
        key,
        { files: files(), announcedBytes: undefined },
        never
      )

      await t.rejects(staged, { code: 'STAGE_ERR_GONE' })
      t.same(
        [...objects.keys()].filter(name => name.includes('/data/') || name.includes('/manifest')),
        []
      )
      t.same(await staging.usage.read(), { held: {}, open: {} })
    }
  )
}
