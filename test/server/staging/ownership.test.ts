import { Readable } from 'node:stream'
import t from 'tap'
import type { Lease } from '../../../server/staging/lease.ts'
import type { OwnedBundle, OwnerState, Owners } from '../../../server/staging/owners.ts'
import { createStaging, type Staging } from '../../../server/staging/staging.ts'
import { dayMs, hourMs, secondMs } from '../../../shared/units.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { type Objects, simulatedStore } from '../../property/simulated-store.ts'
import { limits, times } from './sweep-cost.ts'

const graceMs = 600 * secondMs
const never = new AbortController().signal
const silent = { ended: () => {}, failed: () => {} }
const gone = { code: 'STAGE_ERR_GONE' }

/** A cluster that says of every owner what a test wants it to, and notes who was asked for. */
class SaidOwners implements Owners {
  readonly graceMs = graceMs
  readonly asked: OwnedBundle[] = []
  state: OwnerState = 'gone'
  /** Called between the answer and its return. */
  pause = async () => {}

  async stateOf(bundle: OwnedBundle): Promise<OwnerState> {
    this.asked.push(bundle)
    const { state } = this
    await this.pause()
    return state
  }
}

/** A store with one bundle of namespace `ns`, and a server over it. */
async function stageOne() {
  const world = { objects: new Map() as Objects, owners: new SaidOwners(), clock: new TestClock() }
  const staging = startOver(world)
  const { bundleId } = await staging.oneShots.stage(
    { namespace: 'ns', principal: 'p' },
    undefined,
    { files: oneFile(), announcedBytes: 5 },
    never
  )
  const read = (): Lease => JSON.parse(world.objects.get(`bundles/${bundleId}/lease.json`) ?? '{}')
  const sweepAfter = async (ms: number) => {
    world.clock.advance(ms)
    return staging.sweep(silent, never)
  }
  /** What a watch does when it sees that the bundle's pods have changed. */
  const see = async (state: OwnerState) => {
    world.owners.state = state
    await staging.ownership.look('ns', bundleId)
  }
  return { ...world, world, staging, bundleId, read, sweepAfter, see }
}

/** A server that knows nothing but what is in the store. */
function startOver(world: { objects: Objects; owners: Owners; clock: TestClock }): Staging {
  const store = simulatedStore(world.objects, async () => {})
  return createStaging(store, world.clock, times, limits, world.owners)
}

async function* oneFile() {
  yield { kind: 'files', name: 'a.txt', source: Readable.from(['bytes']) }
}

t.test('a living owner is remembered at once, and renews the lease when less than half is left', async t => {
  const { clock, read, see, sweepAfter } = await stageOne()
  const { expiresAtMs } = read()

  await see('alive')
  t.match(read(), { hadOwner: true, expiresAtMs })
  const fresh = read()
  await see('alive')
  t.same(read(), fresh, 'nothing to write')
  clock.advance(times.leaseMs / 2 + hourMs)
  await see('alive')
  t.equal(read().expiresAtMs, clock.now() + times.leaseMs)
  for (let week = 0; week < 10; week += 1) {
    t.match(await sweepAfter(8 * dayMs), { ended: 0 })
    t.equal(
      read().expiresAtMs,
      clock.now() + times.leaseMs,
      'also by the sweep alone, when it comes too late'
    )
  }
})

t.test('an owner that is gone starts the grace once, and the sweep after it ends the bundle', async t => {
  const { clock, read, see, sweepAfter, staging, bundleId } = await stageOne()
  await see('alive')

  await see('gone')
  const graced = read()
  t.match(graced, { ownerGoneAtMs: clock.now(), expiresAtMs: clock.now() + graceMs })
  clock.advance(graceMs / 2)
  await see('gone')
  t.same(read(), graced)
  t.match(await sweepAfter(0), { ended: 0 })
  t.match(await sweepAfter(graceMs / 2), { ended: 1 })

  t.match(read(), { state: 'ended', reason: 'expired' })
  await t.rejects(staging.bundles.read('ns', bundleId), gone)
})

t.test('the end of an owner that nobody saw is found within the hour', async t => {
  const { owners, read, see, sweepAfter } = await stageOne()
  await see('alive')

  owners.state = 'gone'
  await sweepAfter(hourMs)

  t.ok(read().ownerGoneAtMs)
  t.match(await sweepAfter(graceMs), { ended: 1 })
})

t.test(
  'a bundle whose owner has just appeared is looked at again, whatever marker a sweep drops meanwhile',
  async t => {
    const { objects, clock, bundleId, see } = await stageOne()
    const isMarker = (key: string) => key.startsWith('due/') && key.endsWith(bundleId)
    for (const key of objects.keys()) if (isMarker(key)) objects.delete(key)
    // An hour begins in a second, and has begun by the clock of another server.
    clock.advance(hourMs - (clock.now() % hourMs) - secondMs)
    const nextHourMs = clock.now() + secondMs

    await see('alive')

    const hours = [...objects.keys()].filter(isMarker).map(key => key.split('/')[1] ?? '')
    const hourOf = (ms: number) => new Date(ms).toISOString().slice(0, 13)
    t.same(hours.sort(), [hourOf(nextHourMs), hourOf(nextHourMs + hourMs)])
  }
)

t.test('no marker of a bundle is later than its last token', async t => {
  const { objects, clock, bundleId, read, see } = await stageOne()
  const { tokenExpiresAtMs = 0 } = read()
  const renewed = { ...read(), expiresAtMs: tokenExpiresAtMs }
  objects.set(`bundles/${bundleId}/lease.json`, JSON.stringify(renewed))
  clock.advance(tokenExpiresAtMs - clock.now() - 60 * secondMs)

  await see('alive')

  const last = new Date(tokenExpiresAtMs).toISOString().slice(0, 13)
  const hours = [...objects.keys()].flatMap(key => /^due\/([^/]+)/.exec(key)?.[1] ?? [])
  t.ok(hours.includes(last))
  t.same(
    hours.filter(hour => hour > last),
    []
  )
})

t.test('a pod that comes back takes the grace back', async t => {
  const { clock, read, see, sweepAfter } = await stageOne()
  await see('alive')
  await see('gone')
  clock.advance(graceMs - secondMs)

  await see('alive')

  t.equal(read().ownerGoneAtMs, undefined)
  t.equal(read().expiresAtMs, clock.now() + times.leaseMs)
  t.match(await sweepAfter(hourMs), { ended: 0 })
})

t.test('a pod that comes after the grace and before the sweep takes it back as well', async t => {
  const { owners, read, see, sweepAfter } = await stageOne()
  await see('alive')
  await see('gone')

  owners.state = 'alive'

  t.match(await sweepAfter(graceMs + secondMs), { ended: 0 })
  t.equal(read().ownerGoneAtMs, undefined)
})

t.test(
  'while nothing can be learned, a bundle that had an owner is kept and served, also by a server that has just started',
  async t => {
    const { world, owners, clock, bundleId, read, see } = await stageOne()
    await see('alive')
    owners.state = 'unknown'

    const restarted = startOver(world)
    for (let week = 0; week < 10; week += 1) {
      clock.advance(8 * dayMs)
      t.match(await restarted.sweep(silent, never), { ended: 0, failed: 0 })
      t.equal((await restarted.bundles.read('ns', bundleId)).entries.length, 1)
      t.equal((await restarted.bundles.get('ns', bundleId)).state, 'committed')
    }
    t.ok(read().expiresAtMs < clock.now(), 'nobody has renewed what nobody knows of')
    t.ok((await restarted.bundles.renew('ns', bundleId)).expiresAtMs > clock.now(), 'but its uploader may')
  }
)

t.test('when the owner is found to be gone after the time is over, the grace is what is left', async t => {
  const { owners, clock, read, see, sweepAfter } = await stageOne()
  await see('alive')
  owners.state = 'unknown'
  await sweepAfter(30 * dayMs)

  owners.state = 'gone'
  t.match(await sweepAfter(0), { ended: 0 })
  t.equal(read().expiresAtMs, clock.now() + graceMs)
  owners.state = 'unknown'
  t.match(await sweepAfter(dayMs), { ended: 0 }, 'nor does the grace end without an answer')
  owners.state = 'gone'

  t.match(await sweepAfter(0), { ended: 1 })
})

t.test('nothing keeps a bundle longer than its tokens', async t => {
  for (const state of ['alive', 'unknown'] as const) {
    const { objects, owners, clock, bundleId, read, see, sweepAfter } = await stageOne()
    await see('alive')
    owners.state = state

    const { forgotten } = await sweepAfter((read().tokenExpiresAtMs ?? 0) - clock.now())

    t.equal(forgotten, 1, state)
    t.notOk(objects.has(`bundles/${bundleId}/lease.json`))
  }
})

t.test('time alone ends a bundle that never had an owner, or whose owner nobody looks after', async t => {
  for (const state of ['gone', 'unknown', 'unwatched'] as const) {
    const { owners, read, sweepAfter } = await stageOne()
    owners.state = state
    t.match(await sweepAfter(times.leaseMs - secondMs), { ended: 0 })
    t.equal(read().ownerGoneAtMs, undefined, state)
    t.match(await sweepAfter(2 * secondMs), { ended: 1 }, state)
  }
  const { owners, see, sweepAfter } = await stageOne()
  await see('alive')
  owners.state = 'unwatched'

  t.match(await sweepAfter(times.leaseMs), { ended: 1 })
})

t.test(
  'a download after the end of the owner keeps the bundle for another grace, not for a lease',
  async t => {
    const { clock, read, see, staging, bundleId } = await stageOne()
    await see('alive')
    await see('gone')
    clock.advance(graceMs / 2 + secondMs)

    await staging.bundles.read('ns', bundleId)

    t.equal(read().expiresAtMs, clock.now() + graceMs)
  }
)

t.test('an answer counts for nothing once somebody else has learned more', async t => {
  const { owners, clock, bundleId, read, see, sweepAfter, world } = await stageOne()
  await see('alive')
  await see('gone')
  const other = startOver(world)
  clock.advance(graceMs)
  // A sweep is told that the owner is gone, and sleeps; meanwhile a pod comes, and another server sees it.
  owners.state = 'gone'
  owners.pause = async () => {
    owners.pause = async () => {}
    owners.state = 'alive'
    await other.ownership.look('ns', bundleId)
    clock.advance(times.leaseMs)
  }

  const { ended } = await sweepAfter(0)

  t.equal(ended, 0)
  t.equal(read().ownerGoneAtMs, undefined)
})

t.test('a sweep asks only for owners whose end matters now', async t => {
  const { objects, owners, clock, bundleId, see, sweepAfter } = await stageOne()
  const sweepMarked = async () => {
    owners.asked.length = 0
    objects.set(`due/${new Date(clock.now()).toISOString().slice(0, 13)}/${bundleId}`, '')
    await sweepAfter(0)
    return owners.asked.length
  }

  t.equal(await sweepMarked(), 0, 'it never had one: its coming is seen by the watch')
  await see('alive')
  t.equal(await sweepMarked(), 1)
  await see('gone')
  t.equal(await sweepMarked(), 0, 'it is gone already, and the grace is not over')
  clock.advance(graceMs)
  t.equal(await sweepMarked(), 1)
})

t.test('the labels that an uploader has sent are what is asked for, hour after hour', async t => {
  const world = { objects: new Map() as Objects, owners: new SaidOwners(), clock: new TestClock() }
  const staging = startOver(world)
  const ownerLabels = { 'spark-app-selector': 'spark-1' }
  const owner = { namespace: 'ns', ownerLabels }
  const files = { files: oneFile(), announcedBytes: undefined }
  const { bundleId } = await staging.oneShots.stageUnnamed('fork', files, () => owner, never)
  const lease = (): Lease => JSON.parse(world.objects.get(`bundles/${bundleId}/lease.json`) ?? '{}')
  world.owners.state = 'alive'

  for (let hour = 0; hour < 3; hour += 1) {
    world.clock.advance(hourMs + secondMs)
    await staging.sweep(silent, never)
  }

  t.same(world.owners.asked, Array(3).fill({ namespace: 'ns', bundleId, ownerLabels }))
  t.match(lease(), { hadOwner: true, ownerLabels })
  world.owners.state = 'gone'
  world.clock.advance(hourMs)
  await staging.sweep(silent, never)
  t.ok(lease().ownerGoneAtMs)
})

t.test('nobody asks for the owner of what is not there, not committed, or of another namespace', async t => {
  const { owners, staging, bundleId, read } = await stageOne()
  const before = read()
  owners.state = 'alive'
  const entries = [{ kind: 'files', name: 'b', sizeBytes: 1, sha256: 'b'.repeat(64) }]
  const draft = await staging.drafts.declare({ namespace: 'ns', principal: 'p' }, undefined, entries)

  await staging.ownership.look('other', bundleId)
  await staging.ownership.look('ns', 'f'.repeat(32))
  await staging.ownership.look('ns', draft.bundleId)

  t.same(owners.asked, [])
  t.same(read(), before)
})

t.test('a bundle that was revoked while its owner was asked for stays revoked', async t => {
  const { owners, staging, bundleId, see, read } = await stageOne()
  owners.pause = async () => {
    owners.pause = async () => {}
    await staging.bundles.revoke('ns', bundleId)
  }

  await see('alive')

  t.match(read(), { state: 'ended', reason: 'revoked' })
})
