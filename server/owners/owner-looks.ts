/** Which bundle's lease is looked at. */
interface Look {
  readonly namespace: string
  readonly bundleId: string
}

const parallelLooksCount = 16

/**
 * Looks at the leases of bundles whose owners have changed, a few at a time, each bundle once however often it is asked
 * for meanwhile.
 */
export class OwnerLooks {
  readonly #look: (namespace: string, bundleId: string) => Promise<void>
  readonly #onTrouble: (bundleId: string, error: unknown) => void
  readonly #waiting = new Map<string, Look>()
  readonly #running = new Set<Promise<void>>()
  #isStopped = false

  constructor(
    look: (namespace: string, bundleId: string) => Promise<void>,
    onTrouble: (bundleId: string, error: unknown) => void
  ) {
    this.#look = look
    this.#onTrouble = onTrouble
  }

  /** Resolves nothing and throws nothing: what fails is told, and left to the next look. */
  ask({ namespace, bundleId }: Look): void {
    this.#waiting.set(`${namespace}/${bundleId}`, { namespace, bundleId })
    this.#next()
  }

  /** Begins no more looks, and waits for those under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#waiting.clear()
    await Promise.all(this.#running)
  }

  #next(): void {
    if (this.#isStopped) return
    for (const [key, look] of this.#waiting) {
      if (this.#running.size >= parallelLooksCount) return
      this.#waiting.delete(key)
      const running = this.#run(look).finally(() => {
        this.#running.delete(running)
        this.#next()
      })
      this.#running.add(running)
    }
  }

  async #run({ namespace, bundleId }: Look): Promise<void> {
    try {
      await this.#look(namespace, bundleId)
    } catch (error) {
      this.#onTrouble(bundleId, error)
    }
  }
}
