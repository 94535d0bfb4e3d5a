import type { Owners } from '../../server/staging/owners.ts'
import { hourMs } from '../../shared/units.ts'
import type { Turn } from './simulated-store.ts'

/** The pods of a simulated cluster, as far as they count: which bundles have living ones, and whether anyone can ask. */
export class SimulatedPods {
  readonly #alive = new Set<string>()
  /** Bundles of which it could be seen, since this was last forgotten, that no pod of theirs lives. */
  readonly #seenGone = new Set<string>()
  #isReachable = true

  isAlive(bundleId: string): boolean {
    return this.#alive.has(bundleId)
  }

  get isReachable(): boolean {
    return this.#isReachable
  }

  /** A bundle's pods come to life or to their end. */
  set(bundleId: string, isAlive: boolean): void {
    if (isAlive) this.#alive.add(bundleId)
    else this.#alive.delete(bundleId)
    this.#see(bundleId)
  }

  /** The API server goes away or comes back. */
  reach(isReachable: boolean, bundleIds: Iterable<string>): void {
    this.#isReachable = isReachable
    for (const bundleId of bundleIds) this.#see(bundleId)
  }

  /** From now on: whether there was a moment at which anyone could know that no pod of the bundle lives. */
  forgetGone(bundleId: string): void {
    this.#seenGone.delete(bundleId)
  }

  wasSeenGone(bundleId: string): boolean {
    return this.#seenGone.has(bundleId)
  }

  /** What a process learns of them: it asks, and is told, at any time after it wanted to. */
  owners(turn: Turn): Owners {
    return {
      graceMs: hourMs,
      stateOf: async ({ bundleId }) => {
        await turn()
        const known = this.isAlive(bundleId) ? 'alive' : 'gone'
        const state = this.#isReachable ? known : 'unknown'
        await turn()
        return state
      }
    }
  }

  #see(bundleId: string): void {
    if (this.#isReachable && !this.isAlive(bundleId)) this.#seenGone.add(bundleId)
  }
}
