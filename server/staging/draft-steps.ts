import { removeBytes } from './data-objects.ts'
import { dueKey, indexKey, leaseKey } from './keys.ts'
import { ended, type Lease } from './lease.ts'
import type { StagingContext } from './staging-context.ts'

/** A draft that was begun, or taken up by a repeated request. */
export interface BegunDraft {
  readonly lease: Lease
  readonly isNew: boolean
}

/**
 * Begins a bundle: due marker, then lease, so that nothing is ever without a day on which it is looked at. Creating the
 * lease is the check: where there is one already, `takeUp` says what becomes of it, or why it may not be taken up.
 */
export async function beginDraft(
  { store, leases }: StagingContext,
  bundleId: string,
  fresh: Lease,
  takeUp: (current: Lease) => Lease
): Promise<BegunDraft> {
  if ((await leases.find(bundleId)) === undefined) {
    const marker = dueKey(fresh.expiresAtMs, bundleId)
    try {
      await store.create(marker, '')
      if (await leases.create(bundleId, fresh)) return { lease: fresh, isNew: true }
    } catch (error) {
      // A lease that is there after all, ours or another's, keeps its marker.
      if ((await leases.find(bundleId)) === undefined) await store.delete([marker])
      throw error
    }
  }
  return { lease: await leases.swap(bundleId, takeUp), isNew: false }
}

/**
 * Removes all of a draft whose first request failed: nobody was told of it. That it ends is settled by a swap before
 * anything goes, so a request with the same key that has taken it up meanwhile keeps it. The marker goes last: should
 * this be cut short, the sweep does the rest.
 *
 * @param isMine whether the lease is still as the failed request left it
 */
export async function discardDraft(
  context: StagingContext,
  bundleId: string,
  isMine: (lease: Lease) => boolean
): Promise<void> {
  const { store, leases, manifests, clock, times } = context
  const lease = await leases.swap(bundleId, current =>
    current.state === 'draft' && current.turn === 0 && isMine(current)
      ? ended(current, 'failed', clock.now())
      : current
  )
  if (lease.reason !== 'failed') return
  manifests.forget(bundleId)
  await removeBytes(store, bundleId)
  await store.delete([indexKey(lease.namespace, bundleId)])
  await store.delete([leaseKey(bundleId)])
  await store.delete([dueKey(lease.createdAtMs + times.draftLeaseMs, bundleId)])
}
