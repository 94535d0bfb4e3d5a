import { pMapIterable } from 'p-map'
import { bareName, listAll, listFolders, readIfThere, StorageError } from '../storage/storage-driver.ts'
import { forgottenAtMs, nextLooksMs, removeEnded } from './ending.ts'
import {
  bundleFolder,
  dueFolder,
  dueHour,
  dueKey,
  dueRoot,
  isAttemptFolder,
  isDueHour,
  leaseKey,
  manifestKey
} from './keys.ts'
import { ended, isCommitted, isEnded, type Lease } from './lease.ts'
import type { OwnerState } from './owners.ts'
import { Ownership, stillSaid } from './ownership.ts'
import type { StagingContext } from './staging-context.ts'

/** What one sweep did. Counts are of bundles. */
export interface SweepSummary {
  /** Looked at, because a marker said so. */
  readonly looked: number
  /** Whose lease had run out, and was ended. */
  readonly ended: number
  /** Whose lease itself was removed: nothing is left of them. */
  readonly forgotten: number
  /** That could not be looked at; their markers stay for the next sweep. */
  readonly failed: number
}

/** Told of what a sweep does, one call an event. */
export interface SweepReport {
  ended(bundleId: string, lease: Lease): void
  failed(bundleId: string, error: unknown): void
}

type Outcome = 'kept' | 'ended' | 'forgotten' | 'failed'

/** A look is mostly waiting for the store; together they share swaps of the ledger and syncs of folders. */
const parallelLooksCount = 16

/**
 * Removes what is due, and nothing else. It looks only at bundles whose marker is due, so it costs what is due and not
 * what is stored. Any number of sweeps may run at once, and one that dies is done again: the marker goes last.
 *
 * Nothing is removed because something failed: whatever cannot be read, swapped or listed is left as it is, and so is a
 * bundle of whose owner nothing can be learned.
 */
export class Sweep {
  readonly #context: StagingContext
  readonly #ownership: Ownership
  readonly #report: SweepReport

  constructor(context: StagingContext, report: SweepReport) {
    this.#context = context
    this.#ownership = new Ownership(context)
    this.#report = report
  }

  /** Goes through all markers up to the present hour. @throws StorageError when the markers cannot be listed */
  async run(signal: AbortSignal): Promise<SweepSummary> {
    const { store, clock } = this.#context
    const counts = { looked: 0, ended: 0, forgotten: 0, failed: 0 }
    const presentHour = dueHour(clock.now())
    for await (const hour of listFolders(store, dueRoot)) {
      // Something else may have got there: it must not keep the rest from being swept.
      if (!isDueHour(hour)) continue
      if (hour > presentHour) break
      const isOver = hour < presentHour
      const look = (bundleId: string) => this.#lookOrReport(bundleId, `${dueFolder(hour)}${bundleId}`, isOver)
      const bundleIds = untilAborted(listAll(store, dueFolder(hour)), signal)
      for await (const outcome of pMapIterable(bundleIds, look, { concurrency: parallelLooksCount })) {
        counts.looked += 1
        if (outcome !== 'kept') counts[outcome] += 1
      }
    }
    return counts
  }

  async #lookOrReport(bundleId: string, marker: string, isOver: boolean): Promise<Outcome> {
    try {
      return await this.#look(bundleId, marker, isOver)
    } catch (error) {
      this.#report.failed(bundleId, error)
      return 'failed'
    }
  }

  /**
   * Looks at one bundle whose marker is due, and files the marker of the next look before this one goes.
   *
   * @param isOver whether the marker's hour is over. Until then its lease may be just about to be created; after it, a
   *   whole draft's lease has passed since the marker was filed
   */
  async #look(bundleId: string, marker: string, isOver: boolean): Promise<Outcome> {
    const { store, leases, clock, times } = this.#context
    const found = (await leases.find(bundleId)) ?? (isOver ? await this.#settleUnborn(bundleId) : undefined)
    if (found === undefined) return 'kept'
    // The time before the answer: whoever pauses in between must not take what is said of then for what is now.
    const nowMs = clock.now()
    const state = await this.#ownership.stateForSweep(bundleId, found, nowMs)
    const lease = await leases.swap(bundleId, current =>
      this.#settled(current, stillSaid(state, found, current), nowMs)
    )
    if (!isEnded(lease)) {
      const next = dueKey(this.#ownership.nextLookMs(lease, state, nowMs), bundleId)
      await store.create(next, '')
      await this.#drop(marker, [next])
      return 'kept'
    }
    if (found.state !== 'ended') this.#report.ended(bundleId, lease)
    await removeEnded(this.#context, bundleId, lease)
    const looksMs = nextLooksMs(lease, times)
    const markersOf = (atsMs: readonly number[]) => atsMs.map(atMs => dueKey(atMs, bundleId))
    if (forgottenAtMs(lease, times) <= nowMs) {
      await store.delete([leaseKey(bundleId)])
      await store.delete([...markersOf(looksMs), marker])
      return 'forgotten'
    }
    await this.#drop(marker, markersOf(looksMs.filter(atMs => atMs > nowMs)))
    return found.state === 'ended' ? 'kept' : 'ended'
  }

  /** What a lease becomes now: ended, when its time is over and no owner keeps it. */
  #settled(current: Lease, state: OwnerState, nowMs: number): Lease {
    if (isEnded(current)) return current
    const isOver = current.expiresAtMs <= nowMs && !this.#ownership.isKept(current, state, nowMs)
    if (isOver) return ended(current, 'expired', nowMs)
    return isCommitted(current) ? this.#ownership.settled(current, state, nowMs) : current
  }

  /**
   * A marker without a lease: whoever filed it died before its lease, or is very slow. Its place is taken by a lease that
   * has ended, so that a slow one finds out; then all goes its usual way.
   *
   * @returns undefined when a lease has come up just now: then it is not this sweep's business
   * @throws StorageError when a manifest is there: its lease was lost, and no bundle goes for that
   */
  async #settleUnborn(bundleId: string): Promise<Lease | undefined> {
    const { store, leases, clock, times } = this.#context
    const manifest = await this.#findManifest(bundleId)
    if (manifest !== undefined) return this.#refuseLost(bundleId, manifest)
    const nowMs = clock.now()
    const unborn = {
      namespace: '',
      principal: '',
      attempt: 0,
      createdAtMs: nowMs,
      expiresAtMs: nowMs
    }
    const lease = ended({ ...unborn, state: 'draft' }, 'failed', nowMs)
    // The marker may be gone by now, with a draft that was discarded.
    for (const atMs of nextLooksMs(lease, times)) await store.create(dueKey(atMs, bundleId), '')
    return (await leases.create(bundleId, lease)) ? leases.find(bundleId) : undefined
  }

  /** @returns the key of a manifest of any attempt at a bundle, if there is one */
  async #findManifest(bundleId: string): Promise<string | undefined> {
    const { store } = this.#context
    for await (const name of listAll(store, bundleFolder(bundleId))) {
      if (!isAttemptFolder(name)) continue
      const key = manifestKey({ bundleId, attempt: Number(bareName(name)) })
      if ((await readIfThere(store, key)) !== undefined) return key
    }
    return undefined
  }

  /** Whoever writes a manifest has a lease, and removes it after the manifest: it may have come or gone meanwhile. */
  async #refuseLost(bundleId: string, manifest: string): Promise<undefined> {
    const { store, leases } = this.#context
    if ((await leases.find(bundleId)) !== undefined) return
    if ((await readIfThere(store, manifest)) === undefined) return
    const todo = `restore ${leaseKey(bundleId)} from a backup, or remove ${bundleFolder(bundleId)} and run \`spark-stage-server verify\``
    throw new StorageError('broken', `${manifest}: expected a lease beside it, found none; ${todo}`)
  }

  /** Removes a marker that was looked at, unless it stands for one of the next looks as well. */
  async #drop(marker: string, nextMarkers: readonly string[]): Promise<void> {
    if (!nextMarkers.includes(marker)) await this.#context.store.delete([marker])
  }
}

/** Gives no more once `signal` has aborted: looks that have begun come to their end. */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  for await (const item of source) {
    if (signal.aborted) return
    yield item
  }
}
