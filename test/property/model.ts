import { Readable, Writable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { usageKey } from '../../server/staging/keys.ts'
import type { Lease } from '../../server/staging/lease.ts'
import type { StoredEntry, StoredManifest } from '../../server/staging/manifests.ts'
import type { Staging } from '../../server/staging/staging.ts'
import type { Ledger } from '../../server/staging/usage.ts'
import { isInDoubt, StorageError } from '../../server/storage/storage-driver.ts'
import { StagingError } from '../../shared/errors.ts'
import { dayMs, hourMs } from '../../shared/units.ts'
import { type Fate, type Objects, sha256Of } from './simulated-store.ts'
import { clockSkewMs, quotaBytes, World, type Wrong } from './world.ts'

const uploader = { namespace: 'ns', principal: 'p' }
const never = new AbortController().signal
const emptyLedger = { held: {}, open: {} }
const texts = ['first', 'second', 'third'] as const

/** What a client or a server does. Numbers choose among what there is. */
type Act = { readonly via: number } & (
  | { readonly do: 'draft' | 'one-shot'; readonly key: number | undefined; readonly texts: number }
  | { readonly do: 'read' | 'renew' | 'revoke' | 'look'; readonly which: number }
  | { readonly do: 'sweep' }
)

/** What happens next in a world. */
type Event =
  | {
      readonly is: 'choose'
      readonly choice: number
      readonly times: number
      readonly fate: Fate | undefined
    }
  | { readonly is: 'kill'; readonly choice: number; readonly isHeard: boolean }
  | { readonly is: 'advance'; readonly ms: number }
  | { readonly is: 'start'; readonly act: Act }
  | { readonly is: 'pods'; readonly which: number; readonly areAlive: boolean }
  | { readonly is: 'api'; readonly isReachable: boolean }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      via: fc.nat(2),
      do: fc.constantFrom('draft' as const, 'one-shot' as const),
      key: fc.constantFrom(undefined, 0, 0, 1),
      texts: fc.integer({ min: 1, max: 2 })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      via: fc.nat(2),
      do: fc.constantFrom('read' as const, 'renew' as const, 'revoke' as const, 'look' as const),
      which: fc.nat(9)
    })
  },
  { weight: 2, arbitrary: fc.record({ via: fc.nat(2), do: fc.constant('sweep' as const) }) }
)

/** The store is well. */
const smooth = fc.constant(undefined)

/** The network is bad, and still most requests simply succeed. */
const rough: fc.Arbitrary<Fate | undefined> = fc.oneof(
  { weight: 7, arbitrary: smooth },
  {
    weight: 4,
    arbitrary: fc.constantFrom('refused' as const, 'lost' as const, 'late' as const, 'repeated' as const)
  }
)

const choose = (fate: fc.Arbitrary<Fate | undefined>): fc.Arbitrary<Event> =>
  fc.record({
    is: fc.constant('choose' as const),
    choice: fc.nat(50),
    times: fc.integer({ min: 1, max: 12 }),
    fate
  })

const otherEvent: fc.Arbitrary<Event> = fc.oneof(
  { weight: 5, arbitrary: act.map(act => ({ is: 'start' as const, act })) },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant('kill' as const), choice: fc.nat(50), isHeard: fc.boolean() })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('pods' as const),
      which: fc.nat(9),
      areAlive: fc.constantFrom(true, true, false)
    })
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('api' as const), isReachable: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('advance' as const),
      ms: fc.constantFrom(60_000, hourMs / 2, hourMs + 1, 5 * hourMs, 25 * hourMs, 8 * dayMs)
    })
  }
)

const eventsOn = (fate: fc.Arbitrary<Fate | undefined>): fc.Arbitrary<readonly Event[]> =>
  fc.array(fc.oneof(choose(fate), otherEvent), { minLength: 15, maxLength: 70, size: 'max' })

/** An interleaving: whatever a list of events makes of a world; in one of three the store is always well. */
export const interleaving: fc.Arbitrary<readonly Event[]> = fc.oneof(
  { weight: 1, arbitrary: eventsOn(smooth) },
  { weight: 2, arbitrary: eventsOn(rough) }
)

/**
 * Lets the events happen, checks the promises after every step, then lets all end and time pass.
 *
 * @throws Error that names the broken promise
 */
export async function live(events: readonly Event[], wrong?: Wrong): Promise<void> {
  const world = new World(wrong)
  const story = new Story(world)
  for (const next of events) {
    if (next.is === 'start') story.start(next.act)
    if (next.is === 'advance') world.advance(next.ms)
    if (next.is === 'pods') story.setPods(next.which, next.areAlive)
    if (next.is === 'api') story.reach(next.isReachable)
    await world.settle()
    if (next.is === 'kill' && world.waitingCount > 0) world.kill(next.choice, next.isHeard)
    if (next.is !== 'choose') continue
    for (let done = 0; done < next.times && world.waitingCount > 0; done += 1) {
      // A store that throttles refuses one after the other.
      world.choose(next.choice, done === 0 || next.fate === 'refused' ? next.fate : undefined)
      await world.settle()
      story.check()
    }
  }
  await world.settle()
  while (world.waitingCount > 0) {
    world.choose(0)
    await world.settle()
    story.check()
  }
  await story.end()
}

/** What the answer to a submission has promised. */
interface AnsweredBundle {
  /** Of all its entries, in their order. */
  readonly digests: readonly string[]
  /** Tells it from an earlier and a later bundle of the same id. */
  readonly createdAtMs: number
  readonly untilMs: number
  readonly isRevoked: boolean
}

/** What was answered in a world, and whether it is kept. */
class Story {
  readonly #world: World
  readonly #answered = new Map<string, AnsweredBundle>()
  /** When a key was first there. */
  readonly #seenMs = new Map<string, number>()
  readonly #owned: OwnedBundles
  #broken: Error | undefined

  constructor(world: World) {
    this.#world = world
    this.#owned = new OwnedBundles(world)
  }

  start(act: Act): void {
    const ids = [...this.#answered.keys()]
    const id = 'which' in act ? ids[act.which % ids.length] : undefined
    if ('which' in act && id === undefined) return
    if (act.do === 'revoke' && id !== undefined) this.#note(id, { isRevoked: true })
    this.#act(act, id ?? '').catch(error => this.#judge(error, act))
  }

  /** A server that watches looks at the lease of a bundle whose pods have changed. */
  setPods(which: number, areAlive: boolean): void {
    const ids = [...this.#answered.keys()]
    const id = ids[which % ids.length]
    if (id === undefined) return
    this.#world.pods.set(id, areAlive)
    if (this.#world.pods.isReachable) this.start({ via: which, do: 'look', which })
  }

  reach(isReachable: boolean): void {
    this.#world.pods.reach(isReachable, this.#answered.keys())
  }

  /** @throws Error when a promise is broken at this moment */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken
    const { objects, nowMs } = this.#world
    const marked = new Set(
      [...objects.keys()].filter(key => key.startsWith('due/')).map(key => key.split('/')[2])
    )
    for (const key of objects.keys()) {
      const [root, a, b] = key.split('/')
      const owner = root === 'bundles' ? a : root === 'index' ? b : undefined
      if (owner !== undefined && !marked.has(owner)) throw new Error(`${key} has no marker`)
      if (key.endsWith('/lease.json')) assertComplete(objects, a ?? '')
      if (!this.#seenMs.has(key)) this.#seenMs.set(key, nowMs)
    }
    for (const key of this.#seenMs.keys()) if (!objects.has(key)) this.#seenMs.delete(key)
    const heldBytes = committedBytes(objects)
    if (heldBytes > quotaBytes) throw new Error(`${heldBytes} bytes are committed of ${quotaBytes} at most`)
    for (const [bundleId, { digests, createdAtMs, untilMs, isRevoked }] of this.#answered) {
      const lease = leaseOf(objects, bundleId)
      if (lease?.state === 'committed' && lease.createdAtMs === createdAtMs) {
        const found = entriesOf(objects, bundleId, lease).map(({ sha256 }) => sha256)
        if (!isDeepStrictEqual(found, digests)) throw new Error(`${bundleId} is not what was staged`)
      }
      this.#owned.check(bundleId, lease)
      // Once it has an owner, the owner's end ends it, and not the time that was answered.
      const isPromised = !isRevoked && !this.#owned.has(bundleId) && nowMs < untilMs - clockSkewMs
      if (isPromised && lease?.state !== 'committed') throw new Error(`${bundleId} was lost: ${lease?.state}`)
    }
  }

  /** Lets time pass, with a sweep now and then, until nothing may be left. */
  async end(): Promise<void> {
    const world = this.#world
    for (const id of this.#answered.keys()) world.pods.set(id, false)
    this.reach(true)
    for (const ms of [0, 2 * hourMs, 26 * hourMs]) await this.#sweepAfter(ms)
    if (!world.hadTrouble) this.#expectNoticed()
    for (const key of world.objects.keys()) {
      const lease = leaseOf(world.objects, key.split('/')[1] ?? '')
      // A revocation that dies in the middle is finished at the bundle's next look, which may be later.
      if (!key.includes('/data/') || lease?.reason !== 'expired') continue
      // What a writer finishes even later than a day after the end goes with the lease.
      const secondLookMs = (lease.endedAtMs ?? 0) + dayMs
      const isLate = (this.#seenMs.get(key) ?? 0) >= secondLookMs || world.nowMs < secondLookMs
      if (!isLate) throw new Error(`${key} of an ended bundle stays`)
    }
    await this.#sweepAfter(9 * dayMs)
    // Who was killed or cut off may have left no hourly look; then it is noticed once the time is over.
    this.#expectNoticed()
    for (const ms of [2 * dayMs, 400 * dayMs, 2 * dayMs, 400 * dayMs]) await this.#sweepAfter(ms)
    const left = [...world.objects.keys()].filter(key => !key.startsWith('hints/') && key !== usageKey)
    if (left.length > 0) throw new Error(`left for ever: ${left.join(', ')}`)
    const usage = ledgerOf(world.objects)
    if (!isDeepStrictEqual(usage, emptyLedger)) throw new Error(`counted for ever: ${JSON.stringify(usage)}`)
  }

  /** That all pods are gone is known of every bundle. */
  #expectNoticed(): void {
    for (const id of this.#answered.keys()) {
      const lease = leaseOf(this.#world.objects, id)
      const isUnnoticed = lease?.state === 'committed' && lease.hadOwner && lease.ownerGoneAtMs === undefined
      if (isUnnoticed) throw new Error(`nobody noticed that the owner of ${id} is gone`)
    }
  }

  async #sweepAfter(ms: number): Promise<void> {
    this.#world.advance(ms)
    await this.#world.alone(staging => staging.sweep(this.#sweepReport, never))
    this.check()
  }

  readonly #sweepReport = {
    ended: () => {},
    failed: (_bundleId: string, error: unknown) => {
      // Another sweep or a discarded draft may have been faster; a store that is broken is another matter.
      if (error instanceof StorageError && error.failure !== 'not-found' && !isInDoubt(error)) {
        this.#broken = error
      }
    }
  }

  async #act(act: Act, id: string): Promise<void> {
    const staging = this.#world.server(act.via)
    if (act.do === 'sweep') await staging.sweep(this.#sweepReport, never)
    if (act.do === 'renew') this.#note(id, { untilMs: (await staging.bundles.renew('ns', id)).expiresAtMs })
    if (act.do === 'revoke') await staging.bundles.revoke('ns', id)
    if (act.do === 'look') await staging.ownership.look('ns', id)
    if (act.do === 'read') await this.#read(staging, id)
    if (act.do === 'draft') await this.#stageDraft(act.via, act.key, texts.slice(0, act.texts))
    if (act.do === 'one-shot') await this.#stageAtOnce(staging, act.key, texts.slice(0, act.texts))
  }

  /** Each request of a submission goes to another server. */
  async #stageDraft(via: number, key: number | undefined, contents: readonly string[]): Promise<void> {
    const { drafts } = this.#world.server(via)
    const entries = contents.map((text, index) => ({
      kind: 'files',
      name: `${index}`,
      sizeBytes: text.length,
      sha256: sha256Of(text)
    }))
    const { bundleId, missing } = await drafts.declare(
      uploader,
      key === undefined ? key : `draft-${key}`,
      entries
    )
    for (const sha256 of missing) {
      const text = contents.find(text => sha256Of(text) === sha256) ?? ''
      const { drafts } = this.#world.server(via + 1)
      await drafts.putBlob('ns', bundleId, sha256, Readable.from([text]), text.length, never)
    }
    this.#answer(bundleId, await this.#world.server(via + 2).drafts.commit('ns', bundleId), contents)
  }

  async #stageAtOnce(staging: Staging, key: number | undefined, contents: readonly string[]): Promise<void> {
    async function* files() {
      for (const [index, text] of contents.entries())
        yield { kind: 'files', name: `${index}`, source: Readable.from([text]) }
    }
    const staged = await staging.oneShots.stage(
      uploader,
      key === undefined ? key : `shot-${key}`,
      { files: files(), announcedBytes: contents.join('').length },
      never
    )
    this.#answer(staged.bundleId, staged.lease, contents)
  }

  async #read(staging: Staging, bundleId: string): Promise<void> {
    const { entries } = await staging.bundles.read('ns', bundleId)
    for (const { path, sha256, sizeBytes } of entries) {
      const entry = await staging.bundles.findEntry('ns', bundleId, path)
      const opened = await staging.bundles.open(entry, { start: 0, end: sizeBytes })
      let text = ''
      const sink = new Writable({
        write(chunk, _encoding, done) {
          text += chunk
          done()
        }
      })
      await opened.sendTo(sink, never)
      if (sha256Of(text) !== sha256) throw new Error(`${path} of ${bundleId} reads as other bytes`)
    }
  }

  #answer(bundleId: string, lease: Lease, contents: readonly string[]): void {
    const known = this.#answered.get(bundleId)
    const untilMs = Math.max(lease.expiresAtMs, known?.untilMs ?? 0)
    this.#answered.set(bundleId, {
      digests: contents.map(sha256Of),
      createdAtMs: lease.createdAtMs,
      untilMs,
      isRevoked: known?.isRevoked ?? false
    })
  }

  #note(bundleId: string, change: { readonly untilMs?: number; readonly isRevoked?: boolean }): void {
    const known = this.#answered.get(bundleId)
    if (known !== undefined) this.#answered.set(bundleId, { ...known, ...change })
  }

  /** Refusals are answers like others; everything else is a fault. */
  #judge(error: unknown, act: Act): void {
    if (error instanceof StagingError || isInDoubt(error)) return
    this.#broken ??= new Error(`${act.do} failed: ${error}`, { cause: error })
  }
}

/** The bundles whose leases remember an owner, and the promise to them: no time ends them while their pods may live. */
class OwnedBundles {
  readonly #world: World
  readonly #known = new Map<string, 'lives' | 'left'>()
  /** Whose pods were alive when their lease came to say so. */
  readonly #protected = new Set<string>()

  constructor(world: World) {
    this.#world = world
  }

  has(bundleId: string): boolean {
    return this.#known.has(bundleId)
  }

  /** @throws Error when a bundle has ended although nobody can know that its pods have */
  check(bundleId: string, lease: Lease | undefined): void {
    const { pods, nowMs } = this.#world
    if (pods.wasSeenGone(bundleId)) this.#protected.delete(bundleId)
    if (lease?.hadOwner !== undefined) {
      const owner = lease.ownerGoneAtMs === undefined ? 'lives' : 'left'
      if (owner === 'lives' && this.#known.get(bundleId) !== 'lives' && pods.isAlive(bundleId)) {
        this.#protected.add(bundleId)
        pods.forgetGone(bundleId)
      }
      this.#known.set(bundleId, owner)
    }
    const isOverByTime = lease?.state === 'ended' && lease.reason === 'expired'
    if (this.#protected.has(bundleId) && isOverByTime && nowMs < (lease.tokenExpiresAtMs ?? 0)) {
      throw new Error(`${bundleId} has ended, and nobody could know that its pods had`)
    }
  }
}

function leaseOf(objects: Objects, bundleId: string): Lease | undefined {
  const text = objects.get(`bundles/${bundleId}/lease.json`)
  return text === undefined ? undefined : JSON.parse(text)
}

function ledgerOf(objects: Objects): Ledger {
  const text = objects.get(usageKey)
  if (text === undefined) return emptyLedger
  const { held, open }: Ledger = JSON.parse(text)
  return { held, open }
}

/** What all bundles hold that can be read. */
function committedBytes(objects: Objects): number {
  const ids = [...objects.keys()].flatMap(key => /^bundles\/([^/]+)\/lease\.json$/.exec(key)?.[1] ?? [])
  const leases = ids.map(id => leaseOf(objects, id)).filter(lease => lease?.state === 'committed')
  return leases.reduce((sum, lease) => sum + (lease?.sizeBytes ?? 0), 0)
}

/** Promise 1: what is committed is whole, whatever its lease's time. */
function assertComplete(objects: Objects, bundleId: string): void {
  const lease = leaseOf(objects, bundleId)
  if (lease?.state !== 'committed') return
  for (const { path, data, sha256 } of entriesOf(objects, bundleId, lease)) {
    if (sha256Of(objects.get(`bundles/${bundleId}/${lease.attempt}/data/${data}`) ?? '') !== sha256) {
      throw new Error(`${path} of the committed ${bundleId} is missing or has other bytes`)
    }
  }
}

function entriesOf(objects: Objects, bundleId: string, { attempt }: Lease): readonly StoredEntry[] {
  const text = objects.get(`bundles/${bundleId}/${attempt}/manifest.json`)
  if (text === undefined) throw new Error(`${bundleId} is committed and has no manifest`)
  const { entries }: StoredManifest = JSON.parse(text)
  return entries
}
