import type { StorageDriver } from '../storage/storage-driver.ts'
import { Bundles } from './bundles.ts'
import type { Clock } from './clock.ts'
import { Drafts } from './drafts.ts'
import { Hints } from './hints.ts'
import type { LeaseTimes } from './lease.ts'
import { Leases } from './leases.ts'
import { Manifests } from './manifests.ts'
import { OneShots } from './one-shots.ts'
import { noOwners, type Owners } from './owners.ts'
import { Ownership } from './ownership.ts'
import type { StagingLimits } from './staging-context.ts'
import { Sweep, type SweepReport, type SweepSummary } from './sweep.ts'
import { Usage } from './usage.ts'

/** What routes may ask of the staging domain. */
export interface Staging {
  readonly drafts: Drafts
  readonly oneShots: OneShots
  readonly bundles: Bundles
  readonly usage: Usage
  readonly ownership: Ownership
  /** Removes what is due; see {@link Sweep}. */
  sweep(report: SweepReport, signal: AbortSignal): Promise<SweepSummary>
}

/** Builds the staging domain over a store. Without `owners`, time alone decides how long a bundle stays. */
export function createStaging(
  store: StorageDriver,
  clock: Clock,
  times: LeaseTimes,
  limits: StagingLimits,
  owners: Owners = noOwners
): Staging {
  const leases = new Leases(store)
  const manifests = new Manifests(store)
  const hints = new Hints(store, leases, manifests)
  const usage = new Usage(store, clock.wait)
  const context = { store, clock, times, limits, leases, manifests, hints, usage, owners }
  return {
    drafts: new Drafts(context),
    oneShots: new OneShots(context),
    bundles: new Bundles(context),
    usage,
    ownership: new Ownership(context),
    sweep: (report, signal) => new Sweep(context, report).run(signal)
  }
}
