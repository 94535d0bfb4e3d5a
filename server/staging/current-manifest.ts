import { StorageError } from '../storage/storage-driver.ts'
import { type Lease, refuseGone } from './lease.ts'
import type { StoredManifest } from './manifests.ts'
import type { StagingContext } from './staging-context.ts'

/**
 * The manifest that a lease, as it was read a moment ago, promises.
 *
 * @throws StagingError `STAGE_ERR_GONE`, `STAGE_ERR_NOT_FOUND` when the bundle has ended since
 * @throws StorageError when it has not: then the store is damaged
 */
export async function currentManifest(
  { leases, manifests, clock }: StagingContext,
  bundleId: string,
  lease: Lease
): Promise<StoredManifest> {
  const manifest = await manifests.find({ bundleId, attempt: lease.attempt }, lease)
  if (manifest !== undefined) return manifest
  refuseGone(await leases.get(lease.namespace, bundleId), bundleId, clock.now())
  throw new StorageError('broken', `manifest of ${bundleId} is missing though its lease promises it`)
}
