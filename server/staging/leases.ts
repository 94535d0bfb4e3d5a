import { StagingError } from '../../shared/errors.ts'
import { isBundleId } from '../../shared/names.ts'
import { readIfThere, type StorageDriver, StorageError } from '../storage/storage-driver.ts'
import { leaseKey } from './keys.ts'
import type { Lease } from './lease.ts'

/** Nobody loses this many races in a row against writers that each have something to say. */
const maxSwapTries = 50

/** Leases in the store: created exclusively, and changed only by swapping what was read. */
export class Leases {
  readonly #store: StorageDriver

  constructor(store: StorageDriver) {
    this.#store = store
  }

  /** @returns whether this call created it; otherwise there was one already */
  create(bundleId: string, lease: Lease): Promise<boolean> {
    return this.#store.create(leaseKey(bundleId), JSON.stringify(lease))
  }

  /** @returns undefined when there is none */
  async find(bundleId: string): Promise<Lease | undefined> {
    return (await this.#read(bundleId))?.lease
  }

  /**
   * The lease of a bundle of `namespace`, for its uploaders.
   *
   * @throws StagingError `STAGE_ERR_NOT_FOUND` when there is none, it belongs to another namespace, or this is no id
   */
  async get(namespace: string, bundleId: string): Promise<Lease> {
    const lease = isBundleId(bundleId) ? await this.find(bundleId) : undefined
    if (lease?.namespace === namespace) return lease
    throw new StagingError('STAGE_ERR_NOT_FOUND', { subject: `${namespace}/${bundleId}` })
  }

  /**
   * Changes a lease by what `change` makes of the current one; asks it again when someone else was faster. Returning
   * the same object changes nothing; throwing leaves the lease as it is.
   *
   * @returns the lease as it stands then
   * @throws StagingError `STAGE_ERR_NOT_FOUND` when there is none
   */
  async swap<Changed extends Lease>(bundleId: string, change: (lease: Lease) => Changed): Promise<Changed> {
    for (let tries = 0; tries < maxSwapTries; tries += 1) {
      const current = await this.#read(bundleId)
      if (current === undefined) throw new StagingError('STAGE_ERR_NOT_FOUND', { subject: bundleId })
      const next = change(current.lease)
      if (next === current.lease) return next
      if (await this.#store.replace(leaseKey(bundleId), JSON.stringify(next), current.version)) return next
    }
    throw new StorageError(
      'broken',
      `lease of ${bundleId} changed ${maxSwapTries} times while it was swapped`
    )
  }

  async #read(bundleId: string): Promise<{ readonly lease: Lease; readonly version: string } | undefined> {
    const found = await readIfThere(this.#store, leaseKey(bundleId))
    // A boundary: only this class writes these objects.
    return found && { lease: JSON.parse(found.text) as Lease, version: found.version }
  }
}
