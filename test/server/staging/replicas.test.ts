import { Readable } from 'node:stream'
import t from 'tap'
import { hintKey, leaseKey, usageKey } from '../../../server/staging/keys.ts'
import { createStaging, type Staging } from '../../../server/staging/staging.ts'
import { type StorageDriver, StorageError } from '../../../server/storage/storage-driver.ts'
import { dayMs, hourMs } from '../../../shared/units.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { type StoreWatcher, watchStore } from '../../helpers/watched-store.ts'
import { type Fate, type Objects, sha256Of, simulatedStore } from '../../property/simulated-store.ts'

const never = new AbortController().signal
const uploader = { namespace: 'ns', principal: 'p' }
const silent = { ended: () => {}, failed: () => {} }
const times = { leaseMs: 7 * dayMs, draftLeaseMs: hourMs, maxAgeMs: 365 * dayMs }

type Call = readonly [method: keyof StorageDriver, args: readonly unknown[]]

/** A store in memory on a network that loses what it is told to lose, and servers on it. */
class Network {
  readonly objects: Objects = new Map()
  readonly clock = new TestClock()
  readonly #late: (() => void)[] = []
  #isHit: (call: Call) => boolean = () => false
  #fate: Fate | undefined

  /** The next call that is meant meets this fate; others go on. */
  hitNext(fate: Fate, isMeant: (method: keyof StorageDriver, key: string, text: string) => boolean): void {
    this.#fate = fate
    this.#isHit = ([method, [key, text]]) => isMeant(method, String(key), String(text))
  }

  /** What is late arrives. @returns how much that was */
  arrive(): number {
    const arriving = this.#late.splice(0)
    for (const effect of arriving) effect()
    return arriving.length
  }

  server(watcher: StoreWatcher = {}): Staging {
    let call: Call | undefined
    const store = simulatedStore(this.objects, async effect => {
      if (effect === undefined || call === undefined || !this.#isHit(call)) return undefined
      const fate = this.#fate
      this.#isHit = () => false
      if (fate === 'late') this.#late.push(effect)
      return fate
    })
    const before: StoreWatcher['before'] = async (method, args) => {
      call = [method, args]
      await watcher.before?.(method, args)
    }
    const limits = { maxUploadBytes: 1000, maxEntriesCount: 10 }
    return createStaging(watchStore(store, { ...watcher, before }), this.clock, times, limits)
  }

  /** Lets so much time pass that a sweep every time leaves nothing, or what is there for good. */
  async sweepAll(): Promise<void> {
    for (const ms of [2 * hourMs, 26 * hourMs, 8 * dayMs, 2 * dayMs, 370 * dayMs, 2 * dayMs, 370 * dayMs]) {
      this.clock.advance(ms)
      await this.server().sweep(silent, never)
    }
  }

  keys(part: string): readonly string[] {
    return [...this.objects.keys()].filter(key => key.includes(part))
  }

  /** What is left beside hints, which only cost an upload, and the ledger. */
  get left(): readonly string[] {
    return [...this.objects.keys()].filter(key => !key.startsWith('hints/') && key !== usageKey)
  }
}

function upload(text: string) {
  async function* files() {
    yield { kind: 'files', name: 'a', source: Readable.from([text]) }
  }
  return { files: files(), announcedBytes: text.length }
}

const stage = (staging: Staging, key: string | undefined, text: string) =>
  staging.oneShots.stage(uploader, key, upload(text), never)

const entryOf = (text: string) => ({
  kind: 'files',
  name: 'a',
  sizeBytes: text.length,
  sha256: sha256Of(text)
})

const isLease = (key: string) => key.endsWith('/lease.json')
const unavailable = { name: 'StorageError', failure: 'unavailable' }

t.test('a draft goes through three servers, one request each', async t => {
  const network = new Network()
  const { bundleId, missing } = await network.server().drafts.declare(uploader, 'key', [entryOf('bytes')])
  t.same(missing, [sha256Of('bytes')])
  await network.server().drafts.putBlob('ns', bundleId, sha256Of('bytes'), Readable.from(['bytes']), 5, never)

  const lease = await network.server().drafts.commit('ns', bundleId)

  t.equal(lease.state, 'committed')
  t.match(await network.server().usage.read(), { held: { ns: { bytes: 5, bundlesCount: 1 } }, open: {} })
})

t.test('no server takes what it remembers of a bundle for the next one of the same id', async t => {
  const network = new Network()
  const [one, other] = [network.server(), network.server()]
  const { bundleId } = await stage(one, 'key', 'first')
  await other.bundles.read('ns', bundleId)
  await one.bundles.revoke('ns', bundleId)
  network.clock.advance(370 * dayMs)
  await one.sweep(silent, never)

  t.equal((await stage(one, 'key', 'second')).bundleId, bundleId)

  t.match((await other.bundles.read('ns', bundleId)).entries, [{ sha256: sha256Of('second') }])
  const { bundleId: draftId, missing } = await other.drafts.declare(uploader, undefined, [entryOf('second')])
  t.same(missing, [])
  t.equal(network.objects.get(`bundles/${draftId}/0/data/0`), 'second')
})

t.test('a hint to a bundle that has ended, or that nobody knows, is not followed', async t => {
  const network = new Network()
  const { bundleId } = await stage(network.server(), undefined, 'bytes')
  await network.server().bundles.revoke('ns', bundleId)

  for (const hinted of [bundleId, 'a'.repeat(32)]) {
    network.objects.set(hintKey('ns', sha256Of('bytes')), `${hinted} 0`)
    const { missing } = await network.server().drafts.declare(uploader, undefined, [entryOf('bytes')])
    t.same(missing, [sha256Of('bytes')])
  }
})

for (const key of [undefined, 'key']) {
  const how = key === undefined ? 'without a key' : 'with a key'

  t.test(`a lease ${how} that comes after its request has failed is swept in its time`, async t => {
    const network = new Network()
    network.hitNext('late', (method, name) => method === 'create' && isLease(name))

    await t.rejects(stage(network.server(), key, 'bytes'), unavailable)
    t.equal(network.arrive(), 1)

    t.equal(network.keys('/lease.json').length, 1)
    t.equal(network.keys('due/').length, 1, 'it has a day on which it is looked at')
    await network.sweepAll()
    t.same(network.left, [])
  })

  t.test(`bytes ${how} that come after their request has failed are swept in their time`, async t => {
    const network = new Network()
    network.hitNext('late', method => method === 'put')

    await t.rejects(stage(network.server(), key, 'bytes'), unavailable)
    t.equal(network.arrive(), 1)

    t.equal(network.keys('/data/').length, 1)
    t.equal(network.keys('due/').length, 1)
    await network.sweepAll()
    t.same(network.left, [])
    t.same(await network.server().usage.read(), { held: {}, open: {} })
  })

  t.test(`a commit ${how} that comes after its request has failed commits nothing`, async t => {
    const network = new Network()
    const isCommit = (method: string, name: string, text: string) =>
      method === 'replace' && isLease(name) && JSON.parse(text).state === 'committed'
    network.hitNext('late', isCommit)

    await t.rejects(stage(network.server(), key, 'bytes'), unavailable)
    t.equal(network.arrive(), 1)

    const leases = network.keys('/lease.json').map(name => JSON.parse(network.objects.get(name) ?? ''))
    t.same(
      leases.map(({ state }) => state),
      [key === undefined ? 'ended' : 'draft']
    )
    t.same(network.keys('/data/'), [])
    await network.sweepAll()
    t.same(network.left, [])
  })
}

t.test('a commit whose answer was lost is found when the upload is repeated, and counts as held', async t => {
  const network = new Network()
  const [one, other] = [network.server(), network.server()]
  const { bundleId } = await one.drafts.declare(uploader, 'key', [entryOf('bytes')])
  await one.drafts.putBlob('ns', bundleId, sha256Of('bytes'), Readable.from(['bytes']), 5, never)
  network.hitNext('lost', (method, name) => method === 'replace' && isLease(name))
  await t.rejects(one.drafts.commit('ns', bundleId), unavailable)

  const lease = await other.drafts.commit('ns', bundleId)

  t.equal(lease.state, 'committed')
  t.same(await other.usage.read(), { held: { ns: { bytes: 5, bundlesCount: 1 } }, open: {} })
})

t.test('a declaration that fails and cannot be discarded tells its first failure', async t => {
  const network = new Network()
  const staging = network.server({
    before: (method, [name]) => {
      if (method === 'create' && String(name).endsWith('/manifest.json'))
        throw new StorageError('unavailable', 'the first')
      if (method === 'replace' && isLease(String(name))) throw new StorageError('unavailable', 'the second')
    }
  })

  await t.rejects(staging.drafts.declare(uploader, undefined, [entryOf('bytes')]), { message: 'the first' })

  await network.sweepAll()
  t.same(network.left, [])
})

t.test('a lease that another server created keeps the marker of one that failed for certain', async t => {
  const network = new Network()
  const lease = JSON.stringify({ ...uploader, state: 'draft', attempt: 0, createdAtMs: 0, expiresAtMs: 0 })
  const failing = network.server({
    before: (method, [name]) => {
      if (method !== 'create' || !isLease(String(name))) return
      network.objects.set(String(name), lease)
      throw new StorageError('no-space', 'full')
    }
  })

  await t.rejects(failing.drafts.declare(uploader, 'key', [entryOf('bytes')]), {
    name: 'StorageError',
    failure: 'no-space'
  })

  t.equal(network.keys('due/').length, 1)
  await network.sweepAll()
  t.same(network.left, [])
})

t.test('a sweep that meets a draft being discarded leaves no lease without a marker', async t => {
  const network = new Network()
  const bundleId = 'a'.repeat(32)
  const marker = `due/${new Date(network.clock.now() - 3 * hourMs).toISOString().slice(0, 13)}/${bundleId}`
  network.objects.set(marker, '')
  let markersAtBirth: readonly string[] = []
  const sweeping = network.server({
    before: (method, [name]) => {
      // The marker goes with its draft, between the sweep's look at the lease and its own lease.
      if (method === 'create' && name === leaseKey(bundleId)) {
        network.objects.delete(marker)
        markersAtBirth = network.keys('due/')
      }
    }
  })

  await sweeping.sweep(silent, never)

  t.ok(markersAtBirth.length > 0)
  await network.sweepAll()
  t.same(network.left, [])
})

t.test('what was begun in parts and never finished goes with its draft, once it has ended', async t => {
  const network = new Network()
  const { bundleId } = await network.server().drafts.declare(uploader, 'key', [entryOf('bytes')])
  const begun = `unfinished/bundles/${bundleId}/0/data/0#0`
  network.objects.set(begun, 'the server that began it has died')

  await network.server().sweep(silent, never)
  t.ok(network.objects.has(begun), 'it may still be finished')
  await network.sweepAll()

  t.same(network.left, [])
})
