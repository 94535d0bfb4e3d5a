import { isInDoubt } from '../storage/storage-driver.ts'
import { removeAttempts, removeEnded } from './ending.ts'
import { dueKey, indexKeys, leaseKey } from './keys.ts'
import { ended, isEnded, type Lease } from './lease.ts'
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
      // A lease that is there after all, ours or another's, keeps its marker; so does one that may come yet.
      if (!isInDoubt(error) && (await leases.find(bundleId)) === undefined) await store.delete([marker])
      throw error
    }
  }
  return { lease: await leases.swap(bundleId, takeUp), isNew: false }
}

/**
 * Removes all of a draft whose only request failed, and whose id, random, nobody else can know. That it ends is settled
 * by a swap before anything goes. The marker goes last: should this be cut short, the sweep does the rest; and where
 * `failure` says that something of the draft may come yet, lease and marker stay for the sweep to take that away.
 */
export async function discardDraft(
  context: StagingContext,
  bundleId: string,
  failure: unknown
): Promise<void> {
  const { store, leases, clock, times, usage } = context
  const lease = await leases.swap(bundleId, current =>
    current.state === 'draft' ? ended(current, 'failed', clock.now()) : current
  )
  // Revoked or swept meanwhile: what came after that goes as well.
  if (isEnded(lease) && lease.reason !== 'failed') return removeEnded(context, bundleId, lease)
  if (lease.reason !== 'failed') return
  await removeAttempts(context, bundleId, lease)
  await store.delete(indexKeys(lease.namespace, bundleId))
  await usage.drop(bundleId)
  if (isInDoubt(failure)) return
  await store.delete([leaseKey(bundleId)])
  await store.delete([dueKey(lease.createdAtMs + times.draftLeaseMs, bundleId)])
}
