import { StagingError } from '../../shared/errors.ts'
import { StorageError } from '../storage/storage-driver.ts'
import { unnamed } from './keys.ts'
import type { CommittedLease, EndedLease } from './lease.ts'
import type { Leases } from './leases.ts'
import { noRoom, type RequestedFile } from './limits.ts'
import type { StagingContext } from './staging-context.ts'
import { type Account, type Ledger, type UsedBytes, usedBytes } from './usage.ts'

/**
 * Counts a bundle with so many bytes before they are accepted.
 *
 * @throws StagingError `STAGE_ERR_QUOTA` when its namespace, `STAGE_ERR_NO_SPACE` when the whole store has no room for it
 */
export async function reserve(
  { usage, limits }: StagingContext,
  account: Account,
  files: readonly RequestedFile[],
  instead?: string
): Promise<void> {
  const { namespaceQuotaBytes, maxStoreBytes } = limits
  const { namespace, sizeBytes: askedBytes } = account
  const check = (others: Ledger) => {
    // What has no namespace yet is looked at again when it is named.
    if (namespace !== unnamed) {
      refuseOver('STAGE_ERR_QUOTA', namespaceQuotaBytes, usedBytes(others, namespace))
    }
    refuseOver('STAGE_ERR_NO_SPACE', maxStoreBytes, usedBytes(others))
  }
  await usage.reserve(account, check, instead)

  function refuseOver(
    code: 'STAGE_ERR_QUOTA' | 'STAGE_ERR_NO_SPACE',
    limitBytes: number | undefined,
    { heldBytes, reservedBytes }: UsedBytes
  ): void {
    const usedBytes = heldBytes + reservedBytes
    if (limitBytes === undefined || usedBytes + askedBytes <= limitBytes) return
    throw noRoom(code, { limitBytes, usedBytes, askedBytes }, files)
  }
}

/**
 * Counts a bundle that was committed as held. A store that cannot take it is no reason to fail a request whose bundle is
 * there: what was reserved for it counts until it ends.
 */
export async function settle({ usage }: StagingContext, lease: CommittedLease): Promise<void> {
  try {
    await usage.settle(lease)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
  }
}

/** Counts a bundle no more that has ended and holds nothing any more. Doing it again is harmless. */
export async function release(
  { usage, leases }: StagingContext,
  bundleId: string,
  lease: EndedLease
): Promise<void> {
  const { account, namespace, sizeBytes } = lease
  if (account === undefined || sizeBytes === undefined) return usage.drop(bundleId)
  const counted = { account, namespace, sizeBytes }
  const taker = lease.releasedBy ?? (await usage.takeOut(counted))
  const releasedBy = await confirmTaker(leases, bundleId, lease, taker)
  if (releasedBy !== undefined) await usage.close(counted, releasedBy)
}

/**
 * @returns whose removal counts; nobody's when the lease is forgotten: then all was counted off before; undefined when
 *   the id has come again since: what is counted is that bundle's
 */
async function confirmTaker(
  leases: Leases,
  bundleId: string,
  lease: EndedLease,
  taker: string
): Promise<string | undefined> {
  try {
    const { createdAtMs, releasedBy } = await leases.swap(bundleId, current =>
      current.createdAtMs === lease.createdAtMs && current.releasedBy === undefined
        ? { ...current, releasedBy: taker }
        : current
    )
    return createdAtMs === lease.createdAtMs ? releasedBy : undefined
  } catch (error) {
    if (error instanceof StagingError && error.code === 'STAGE_ERR_NOT_FOUND') return 'nobody'
    throw error
  }
}
