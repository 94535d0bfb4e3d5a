import type { Clock } from '../../server/staging/clock.ts'
import { createStaging, type Staging } from '../../server/staging/staging.ts'
import type { StorageDriver } from '../../server/storage/storage-driver.ts'
import { dayMs, hourMs } from '../../shared/units.ts'
import { type Objects, simulatedStore } from './simulated-store.ts'

export const times = { leaseMs: 7 * dayMs, draftLeaseMs: hourMs, maxAgeMs: 365 * dayMs }

/** A process that works on the shared store: its own memory, and a death of its own. */
export interface Process {
  readonly staging: Staging
  readonly isDead: () => boolean
}

/** Changes how a process sees the store: how mutations of the code's order are made. */
export type Mutation = (store: StorageDriver, objects: Objects, now: () => number) => StorageDriver

/**
 * A store, a clock, and processes whose every store call waits until it is chosen. Nothing happens by itself: `choose`
 * lets one waiting call go on.
 */
export class World {
  readonly objects: Objects = new Map()
  readonly #startMs = Date.UTC(2026, 0, 1)
  #nowMs = this.#startMs
  readonly #waiting: { readonly process: object; go(): void }[] = []
  readonly #dead = new Set<object>()
  readonly #mutation: Mutation
  #liveCount = 0

  constructor(mutation: Mutation = store => store) {
    this.#mutation = mutation
  }

  get nowMs(): number {
    return this.#nowMs
  }

  readonly clock: Clock = { now: () => this.#nowMs, steady: () => this.#nowMs, every: () => () => {} }

  advance(ms: number): void {
    this.#nowMs += ms
  }

  /** Starts a process that does one thing; what it throws is its own affair. */
  start(act: (staging: Staging) => Promise<unknown>): void {
    const process = {}
    const turn = () =>
      new Promise<void>(go => {
        if (!this.#dead.has(process)) this.#waiting.push({ process, go })
      })
    const store = this.#mutation(simulatedStore(this.objects, turn), this.objects, this.clock.now)
    const limits = { maxUploadBytes: 1000, maxEntriesCount: 10 }
    this.#liveCount += 1
    act(createStaging(store, this.clock, times, limits))
      .catch(() => {})
      .finally(() => {
        this.#liveCount -= 1
      })
  }

  /** Lets everything run on that needs no turn; then all living processes wait, or are done. */
  async settle(): Promise<void> {
    for (let quiet = 0, seen = -1; quiet < 2; ) {
      await new Promise(setImmediate)
      quiet = this.#waiting.length === seen ? quiet + 1 : 0
      seen = this.#waiting.length
    }
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** Lets the waiting call number `choice` (modulo) go on. */
  choose(choice: number): void {
    const [chosen] = this.#waiting.splice(choice % this.#waiting.length, 1)
    chosen?.go()
  }

  /** Kills the process of the waiting call number `choice`: none of its calls goes on. */
  kill(choice: number): void {
    const { process } = this.#waiting[choice % this.#waiting.length] ?? {}
    if (process === undefined) return
    this.#dead.add(process)
    for (let index = this.#waiting.length - 1; index >= 0; index -= 1) {
      if (this.#waiting[index]?.process === process) this.#waiting.splice(index, 1)
    }
  }

  /** Runs one thing to its end, alone and undisturbed. */
  async alone<T>(act: (staging: Staging) => Promise<T>): Promise<T> {
    const store = this.#mutation(
      simulatedStore(this.objects, async () => {}),
      this.objects,
      this.clock.now
    )
    return act(createStaging(store, this.clock, times, { maxUploadBytes: 1000, maxEntriesCount: 10 }))
  }
}
