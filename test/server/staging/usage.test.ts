import t from 'tap'
import { type Ledger, Usage, usedBytes } from '../../../server/staging/usage.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { type StoreWatcher, watchStore } from '../../helpers/watched-store.ts'
import { type Objects, simulatedStore } from '../../property/simulated-store.ts'

const bundleId = '0123456789abcdef0123456789abcdef'
const account = `${bundleId}/0`
const bundle = { account, namespace: 'ns', sizeBytes: 100 }
const nothing: Ledger = { held: {}, open: {} }
const admit = () => {}

function usageOver(objects: Objects, watcher: StoreWatcher = {}): Usage {
  return new Usage(
    watchStore(
      simulatedStore(objects, async () => {}),
      watcher
    )
  )
}

t.test('a bundle is reserved, held, taken out and closed', async t => {
  const usage = usageOver(new Map())

  await usage.reserve({ ...bundle, sizeBytes: 150 }, admit)
  t.same(await usage.read(), { held: {}, open: { [account]: { namespace: 'ns', bytes: 150 } } })
  await usage.settle(bundle)
  t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
  t.equal(await usage.takeOut(bundle, 'taker'), 'taker')
  t.same(await usage.read(), {
    held: {},
    open: { [account]: { namespace: 'ns', bytes: 0, takenBy: 'taker' } }
  })
  await usage.close(bundle, 'taker')
  t.same(await usage.read(), nothing)
})

t.test('a refused reservation changes nothing', async t => {
  const objects: Objects = new Map()
  const usage = usageOver(objects)
  const refuse = () => {
    throw new Error('no room')
  }

  await t.rejects(usage.reserve(bundle, refuse), { message: 'no room' })

  t.same(await usage.read(), nothing)
  t.equal(objects.size, 0)
})

t.test('the check sees all but the bundle itself', async t => {
  const usage = usageOver(new Map())
  const seen: Ledger[] = []
  await usage.reserve({ ...bundle, account: 'fedcba9876543210fedcba9876543210/0' }, admit)
  await usage.reserve(bundle, admit)

  await usage.reserve({ ...bundle, account: `${bundleId}/commit` }, others => seen.push(others), account)

  t.same(
    seen.map(others => Object.keys(others.open)),
    [['fedcba9876543210fedcba9876543210/0']]
  )
  t.same(Object.keys((await usage.read()).open), ['fedcba9876543210fedcba9876543210/0', `${bundleId}/commit`])
})

t.test('a removal that another took up again is the same removal', async t => {
  const usage = usageOver(new Map())
  await usage.reserve(bundle, admit)
  await usage.settle(bundle)

  t.equal(await usage.takeOut(bundle, 'first'), 'first')
  t.equal(await usage.takeOut(bundle, 'second'), 'first')
  await usage.close(bundle, 'first')

  t.same(await usage.read(), nothing)
})

t.test('a bundle that was taken out once more, too late, is put back', async t => {
  const usage = usageOver(new Map())
  for (const name of [account, 'fedcba9876543210fedcba9876543210/0']) {
    await usage.reserve({ ...bundle, account: name }, admit)
    await usage.settle({ ...bundle, account: name })
  }
  await usage.takeOut(bundle, 'first')
  await usage.close(bundle, 'first')

  await usage.takeOut(bundle, 'late')
  await usage.close(bundle, 'first')

  t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
})

t.test('a commit that settles while the bundle is taken out counts no more', async t => {
  const usage = usageOver(new Map())
  await usage.reserve(bundle, admit)

  await usage.takeOut(bundle, 'taker')
  await usage.settle(bundle)
  await usage.close(bundle, 'taker')

  t.same(await usage.read(), nothing)
})

t.test('what is asked for during a swap goes into the next one together', async t => {
  let swapsCount = 0
  const usage = usageOver(new Map(), {
    before: method => {
      if (method === 'create' || method === 'replace') swapsCount += 1
    }
  })

  await Promise.all(
    Array.from({ length: 40 }, (_, index) => usage.reserve({ ...bundle, account: `${index}/0` }, admit))
  )

  t.equal(Object.keys((await usage.read()).open).length, 40)
  t.equal(swapsCount, 2)
})

t.test('two servers lose no change of the other', async t => {
  const objects: Objects = new Map()
  const servers = [usageOver(objects), usageOver(objects)]

  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      servers[index % 2]?.reserve({ ...bundle, account: `${index}/0` }, admit)
    )
  )

  t.equal(usedBytes((await servers[0]?.read()) ?? nothing).reservedBytes, 4000)
})

t.test('a store that fails fails all that was asked for, and is asked again next time', async t => {
  let isBroken = true
  const usage = usageOver(new Map(), {
    before: method => {
      if (isBroken && method === 'read') throw new StorageError('broken', 'cannot read')
    }
  })

  const [first, second] = await Promise.allSettled([usage.reserve(bundle, admit), usage.drop(bundleId)])
  isBroken = false
  await usage.reserve(bundle, admit)

  t.match([first, second], [{ status: 'rejected' }, { status: 'rejected' }])
  t.equal(usedBytes(await usage.read(), 'ns').reservedBytes, 100)
})

t.test('whoever loses every race gives up', async t => {
  const objects: Objects = new Map()
  const usage = usageOver(objects, {
    before: method => {
      if (method === 'create' || method === 'replace')
        objects.set('usage.json', JSON.stringify({ ...nothing, n: Math.random() }))
    }
  })

  await t.rejects(usage.reserve(bundle, admit), { message: /usage changed 50 times/ })
})

t.test('a ledger that cannot be read says what to do', async t => {
  for (const text of ['{"held":', '{}', '[]']) {
    const usage = usageOver(new Map([['usage.json', text]]))
    await t.rejects(usage.reserve(bundle, admit), {
      failure: 'broken',
      message: /usage\.json cannot be read; .* verify/
    })
  }
})

t.test('what was found by looking takes the place of what was counted', async t => {
  const usage = usageOver(new Map())
  await usage.reserve(bundle, admit)

  await usage.correct({ held: { ns: { bytes: 7, bundlesCount: 1 } }, open: {} })
  const empty = usageOver(new Map())
  await empty.correct({ held: {}, open: {} })
  t.same(await empty.read(), nothing)

  t.same(usedBytes(await usage.read()), { heldBytes: 7, reservedBytes: 0 })
})

t.test('a namespace may be called as something that every object has', async t => {
  const usage = usageOver(new Map())

  await usage.reserve({ ...bundle, namespace: 'constructor' }, admit)
  await usage.settle({ ...bundle, namespace: 'constructor' })

  t.same(await usage.read(), { held: { constructor: { bytes: 100, bundlesCount: 1 } }, open: {} })
})

t.test('what other requests had reserved for a bundle goes with its commit', async t => {
  const usage = usageOver(new Map())
  await usage.reserve({ ...bundle, account: `${bundleId}/a commit that failed` }, admit)
  await usage.reserve(bundle, admit)

  await usage.settle(bundle)

  t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
})
