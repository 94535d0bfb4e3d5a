import { hourMs, minuteMs } from '../../shared/units.ts'
import { dueKey } from './keys.ts'
import {
  type CommittedLease,
  isCommitted,
  isHalfSpent,
  type Lease,
  type LeaseTimes,
  renewed
} from './lease.ts'
import type { OwnerState } from './owners.ts'
import type { StagingContext } from './staging-context.ts'

/** A bundle with an owner is looked at this often, so that its end is found also when nobody was there to see it. */
const lookMs = hourMs

/** How far the clocks of two servers may be apart: one whose clock is further from the store's does not sweep. */
const clocksApartMs = 2 * minuteMs

/** What follows for a lease from what is known of the bundle's owner. */
export class Ownership {
  readonly #context: StagingContext

  constructor(context: StagingContext) {
    this.#context = context
  }

  /** What is known of the owner of a bundle; of one that is not committed, nobody asks. */
  async stateOf(bundleId: string, lease: Lease): Promise<OwnerState> {
    if (!isCommitted(lease)) return 'unwatched'
    const { namespace, ownerLabels } = lease
    const labels = ownerLabels === undefined ? {} : { ownerLabels }
    return this.#context.owners.stateOf({ namespace, bundleId, ...labels })
  }

  /**
   * The same for a sweep, which asks only where the answer can change something: of pods that appear the watch tells, and
   * before its time nothing ends.
   */
  async stateForSweep(bundleId: string, lease: Lease, nowMs: number): Promise<OwnerState> {
    const mayBeLost = lease.hadOwner !== undefined && lease.ownerGoneAtMs === undefined
    const isWorthAsking = lease.expiresAtMs <= nowMs || mayBeLost || lease.ownerLabels !== undefined
    return isWorthAsking ? this.stateOf(bundleId, lease) : 'unknown'
  }

  /**
   * The lease as the state of its owner makes it. A living owner renews it, and it remembers having had one. When one
   * that it remembers is gone, the grace begins, once; should the time be over already, because nobody could tell, the
   * grace is what is left.
   */
  settled(lease: CommittedLease, state: OwnerState, nowMs: number): CommittedLease {
    const { times, owners } = this.#context
    if (state === 'alive') {
      const { ownerGoneAtMs, ...kept } = lease
      const isWorthRenewal = ownerGoneAtMs !== undefined || isWorthRenewing(lease, times, nowMs)
      if (lease.hadOwner && !isWorthRenewal) return lease
      const remembered: CommittedLease = { ...kept, hadOwner: true }
      return isWorthRenewal ? renewed(remembered, times, nowMs) : remembered
    }
    if (state !== 'gone' || !lease.hadOwner || lease.ownerGoneAtMs !== undefined) return lease
    const graceEndsAtMs = Math.min(nowMs + owners.graceMs, lease.tokenExpiresAtMs)
    const isOver = lease.expiresAtMs <= nowMs
    const expiresAtMs = isOver ? graceEndsAtMs : Math.min(lease.expiresAtMs, graceEndsAtMs)
    return { ...lease, ownerGoneAtMs: nowMs, expiresAtMs }
  }

  /** Whether a bundle stays although its time is over. Nothing stays longer than its tokens. */
  isKept(lease: Lease, state: OwnerState, nowMs: number): boolean {
    if (!isCommitted(lease) || lease.tokenExpiresAtMs <= nowMs) return false
    if (state === 'alive') return true
    if (state === 'unwatched' || lease.hadOwner === undefined) return false
    return state === 'unknown' || lease.ownerGoneAtMs === undefined
  }

  /** What a download renews a lease by: when the owner is gone, only the grace. */
  timesOf(lease: CommittedLease): Pick<LeaseTimes, 'leaseMs'> {
    const { times, owners } = this.#context
    return lease.ownerGoneAtMs === undefined ? times : { leaseMs: Math.min(owners.graceMs, times.leaseMs) }
  }

  /** When the sweep looks at a bundle next that has not ended. Ms since the epoch. */
  nextLookMs(lease: Lease, state: OwnerState, nowMs: number): number {
    const expiresAtMs = Math.max(lease.expiresAtMs, nowMs)
    const isOwned = lease.hadOwner !== undefined || lease.ownerLabels !== undefined
    return isOwned && state !== 'unwatched' ? Math.min(expiresAtMs, nowMs + lookMs) : expiresAtMs
  }

  /**
   * Looks at one bundle outside the sweep, because its owner was seen or is not seen any more. Ends nothing. The next
   * look is filed before the lease changes, so a bundle whose time becomes shorter is never looked at too late; and again
   * after it, in case a sweep has meanwhile looked at the lease as it was.
   */
  async look(namespace: string, bundleId: string): Promise<void> {
    const { store, leases, clock } = this.#context
    const found = await leases.find(bundleId)
    // Anyone may label a pod of theirs with the id of another namespace's bundle.
    if (found === undefined || found.namespace !== namespace || !isCommitted(found)) return
    // The time before the answer: whoever pauses in between must not take what is said of then for what is now.
    const nowMs = clock.now()
    const state = await this.stateOf(bundleId, found)
    const next = this.settled(found, state, nowMs)
    if (next === found) return
    const marker = dueKey(this.nextLookMs(next, state, nowMs), bundleId)
    await store.create(marker, '')
    await leases.swap(bundleId, lease =>
      isCommitted(lease) ? this.settled(lease, stillSaid(state, found, lease), nowMs) : lease
    )
    // A sweep that has just looked at the lease as it was may be dropping the first one, but none of an hour to come, by
    // whoever's clock. After its last token the bundle is forgotten, and so must its markers be.
    const laterMs = Math.min(clock.now() + lookMs + clocksApartMs, found.tokenExpiresAtMs)
    await store.create(dueKey(laterMs, bundleId), '')
  }
}

/**
 * What an answer is worth that was given for the lease `asked`, once it has become `current`: when somebody else has
 * meanwhile learned of the owner, only that it lives, for this one may have asked before, and paused for any time since.
 */
export function stillSaid(state: OwnerState, asked: Lease, current: Lease): OwnerState {
  const isSame = asked.hadOwner === current.hadOwner && asked.ownerGoneAtMs === current.ownerGoneAtMs
  return isSame || state === 'alive' ? state : 'unknown'
}

function isWorthRenewing(lease: CommittedLease, times: LeaseTimes, nowMs: number): boolean {
  return isHalfSpent(lease, Math.min(times.leaseMs, lease.tokenExpiresAtMs - nowMs), nowMs)
}
