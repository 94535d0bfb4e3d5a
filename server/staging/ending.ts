import { dayMs } from '../../shared/units.ts'
import { release } from './accounts.ts'
import { removeBytes } from './data-objects.ts'
import { dueKey, indexKeys } from './keys.ts'
import type { EndedLease, Lease, LeaseTimes } from './lease.ts'
import type { StagingContext } from './staging-context.ts'

/** When a lease that has ended is of no use any more: no token is valid, no key is repeated. Ms since the epoch. */
export function forgottenAtMs(lease: Lease, times: LeaseTimes): number {
  return lease.tokenExpiresAtMs ?? lease.createdAtMs + times.maxAgeMs
}

/** When a bundle that has ended is looked at again: a day after its end, and when its lease may go. Ms since the epoch. */
export function nextLooksMs(lease: EndedLease, times: LeaseTimes): readonly number[] {
  return [lease.endedAtMs + dayMs, forgottenAtMs(lease, times)]
}

/**
 * Takes away what a bundle held whose lease says that it has ended, after filing the next looks: one a day after the
 * end, for what a slow writer finishes after this, and one when the lease itself may go. Doing it again is harmless.
 */
export async function removeEnded(
  context: StagingContext,
  bundleId: string,
  lease: EndedLease
): Promise<void> {
  const { store, clock, times } = context
  for (const atMs of nextLooksMs(lease, times)) {
    if (atMs > clock.now()) await store.create(dueKey(atMs, bundleId), '')
  }
  await removeAttempts(context, bundleId, lease)
  await store.delete(indexKeys(lease.namespace, bundleId))
  await release(context, bundleId, lease)
}

/** Takes away the bytes and manifests of all attempts at a bundle, and the hints to them. */
export async function removeAttempts(context: StagingContext, bundleId: string, lease: Lease): Promise<void> {
  const { store, manifests, hints } = context
  for (let attempt = 0; attempt <= lease.attempt; attempt += 1) {
    const manifest = await manifests.find({ bundleId, attempt }, lease)
    manifests.forget({ bundleId, attempt }, lease)
    if (manifest !== undefined) await hints.forget(lease.namespace, manifest)
    await removeBytes(store, { bundleId, attempt })
  }
}
