import { hourMs } from '../../shared/units.ts'
import type { Clock } from '../staging/clock.ts'
import { OwnerLooks } from './owner-looks.ts'
import { PodOwners, type PodOwnersOptions } from './pod-owners.ts'

/** Where the lines of the log go. */
interface Log {
  info(fields: object, sentence: string): void
  error(fields: object, sentence: string): void
}

/** Looks at the lease of one bundle, asked by its owner's sake. */
interface LeaseLooks {
  look(namespace: string, bundleId: string): Promise<void>
}

/** Keeps the bundles of living pods: tells who has owners, and has leases looked at when that changes and as time goes. */
export class OwnerKeeper {
  readonly owners: PodOwners
  readonly #looks: OwnerLooks
  #leases: LeaseLooks | undefined
  #stopClock = () => {}

  constructor(options: Omit<PodOwnersOptions, 'report'>, log: Log) {
    this.#looks = new OwnerLooks(
      async (namespace, bundleId) => this.#leases?.look(namespace, bundleId),
      (bundleId, error) => log.error({ err: error, bundleId }, 'lease not looked at for its owner')
    )
    this.owners = new PodOwners({
      ...options,
      report: {
        changed: (namespace, bundleId) => this.#looks.ask({ namespace, bundleId }),
        connected: (namespace = '*') => log.info({ watched: namespace }, 'owner watch synced'),
        broken: (namespace = '*', error) =>
          log.error(
            { watched: namespace, err: error },
            'owner watch broken, no bundle with an owner ends there'
          )
      }
    })
  }

  /** Begins to watch. A lease is renewed when less than half of it is left, so it is looked at four times. */
  async start(leases: LeaseLooks, clock: Clock, { leaseMs }: { readonly leaseMs: number }): Promise<void> {
    this.#leases = leases
    this.#stopClock = clock.every(Math.min(leaseMs / 4, hourMs), () => {
      for (const bundle of this.owners.alive()) this.#looks.ask(bundle)
    })
    await this.owners.start()
  }

  /** Ends all watches, and waits for the looks that are under way. */
  async stop(): Promise<void> {
    this.#stopClock()
    await this.owners.stop()
    await this.#looks.stop()
  }
}
