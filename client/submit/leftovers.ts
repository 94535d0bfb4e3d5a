import { secondMs } from '../../shared/units.ts'

/** How long the removal of one thing may take: somebody may be waiting for the prompt. */
const removalMs = 15 * secondMs

interface Leftover {
  readonly what: string
  readonly remove: (signal: AbortSignal) => Promise<unknown>
}

/** What has to go again when there will be no job. */
export class Leftovers {
  readonly #leftovers: Leftover[] = []

  /** @param what the thing, for people */
  add(what: string, remove: Leftover['remove']): void {
    this.#leftovers.push({ what, remove })
  }

  /** From now on they are in use: nothing is removed any more. */
  keep(): void {
    this.#leftovers.splice(0)
  }

  /**
   * Removes them all, the latest first; a failure does not keep the others from their turn.
   *
   * @returns what could not be removed, and why; empty when all is gone
   */
  async remove(): Promise<readonly string[]> {
    const failures: string[] = []
    for (const { what, remove } of this.#leftovers.splice(0).reverse()) {
      try {
        await remove(AbortSignal.timeout(removalMs))
      } catch (error) {
        // A boundary: whatever it is, the others still have to go.
        failures.push(`${what} could not be removed: ${(error as Error).message}`)
      }
    }
    return failures
  }
}
