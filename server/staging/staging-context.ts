import type { StorageDriver } from '../storage/storage-driver.ts'
import type { Clock } from './clock.ts'
import type { Hints } from './hints.ts'
import type { LeaseTimes } from './lease.ts'
import type { Leases } from './leases.ts'
import type { Manifests } from './manifests.ts'
import type { Owners } from './owners.ts'
import type { Usage } from './usage.ts'

/** How much may be staged. */
export interface StagingLimits {
  /** Bytes of one bundle, or of one body. */
  readonly maxUploadBytes: number
  readonly maxEntriesCount: number
  /** Bytes that the bundles of one namespace may hold; unbounded when unset. */
  readonly namespaceQuotaBytes?: number
  /** Bytes that all bundles may hold; unbounded when unset. */
  readonly maxStoreBytes?: number
}

/** What the parts of the staging domain share. */
export interface StagingContext {
  readonly store: StorageDriver
  readonly clock: Clock
  readonly times: LeaseTimes
  readonly limits: StagingLimits
  readonly leases: Leases
  readonly manifests: Manifests
  readonly hints: Hints
  readonly usage: Usage
  readonly owners: Owners
}

/** Who stages, and where: both were checked before they came here. */
export interface Uploader {
  readonly namespace: string
  readonly principal: string
}
