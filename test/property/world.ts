import type { Clock } from '../../server/staging/clock.ts'
import type { Owners } from '../../server/staging/owners.ts'
import { createStaging, type Staging } from '../../server/staging/staging.ts'
import type { StorageDriver } from '../../server/storage/storage-driver.ts'
import { dayMs, hourMs } from '../../shared/units.ts'
import { SimulatedPods } from './simulated-pods.ts'
import { type Objects, simulatedStore, type Turn } from './simulated-store.ts'

export const times = { leaseMs: 7 * dayMs, draftLeaseMs: hourMs, maxAgeMs: 365 * dayMs }

/** A process that works on the shared store: its own memory, and a death of its own. */
export interface Process {
  readonly staging: Staging
  readonly isDead: () => boolean
}

/** Changes how a process sees the store: how mutations of the code's order are made. */
export type Mutation = (store: StorageDriver, objects: Objects, now: () => number) => StorageDriver

/** Changes what a process believes of owners. */
export type OwnersMutation = (owners: Owners) => Owners

/** What is wrong with a world on purpose; nothing by default. */
export interface Wrong {
  readonly store?: Mutation
  readonly owners?: OwnersMutation
}

const limits = { maxUploadBytes: 1000, maxEntriesCount: 10 }

/**
 * A store, a clock, and processes whose every store call waits until it is chosen. Nothing happens by itself: `choose`
 * lets one waiting call go on.
 */
export class World {
  readonly objects: Objects = new Map()
  readonly pods = new SimulatedPods()
  readonly #startMs = Date.UTC(2026, 0, 1)
  #nowMs = this.#startMs
  readonly #waiting: { readonly process: object; go(): void }[] = []
  readonly #dead = new Set<object>()
  readonly #wrong: Wrong
  #liveCount = 0

  constructor(wrong: Wrong = {}) {
    this.#wrong = wrong
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Whether any process died. */
  get hasKilled(): boolean {
    return this.#dead.size > 0
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
    this.#liveCount += 1
    act(this.#staging(turn))
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
    return act(this.#staging(async () => {}))
  }

  #staging(turn: Turn): Staging {
    const { store: wrongStore, owners: wrongOwners } = this.#wrong
    const rightStore = simulatedStore(this.objects, turn)
    const store = wrongStore?.(rightStore, this.objects, this.clock.now) ?? rightStore
    const rightOwners = this.pods.owners(turn)
    const owners = wrongOwners?.(rightOwners) ?? rightOwners
    return createStaging(store, this.clock, times, limits, owners)
  }
}
