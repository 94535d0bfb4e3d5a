import type { Clock } from '../../server/staging/clock.ts'
import type { Owners } from '../../server/staging/owners.ts'
import { createStaging, type Staging } from '../../server/staging/staging.ts'
import type { StorageDriver } from '../../server/storage/storage-driver.ts'
import { dayMs, hourMs, secondMs } from '../../shared/units.ts'
import { SimulatedPods } from './simulated-pods.ts'
import { type Fate, type Objects, simulatedStore, type Turn } from './simulated-store.ts'

export const times = { leaseMs: 7 * dayMs, draftLeaseMs: hourMs, maxAgeMs: 365 * dayMs }

/** Changes how a process sees the store: how mutations of the code's order are made. */
export type Mutation = (store: StorageDriver, objects: Objects, now: () => number) => StorageDriver

/** Changes what a process believes of owners. */
export type OwnersMutation = (owners: Owners) => Owners

/** What is wrong with a world on purpose; nothing by default. */
export interface Wrong {
  readonly store?: Mutation
  readonly owners?: OwnersMutation
}

/** How far the clock of each server is ahead of the world's time. */
const clocksAheadMs = [0, secondMs, -secondMs]

/** How far two servers' clocks are apart at most. */
export const clockSkewMs = 2 * secondMs

/** A request that its sender has given up still arrives for so long, and not later. */
const latestMs = 30 * 60 * secondMs

/** What the bundles of a namespace may hold: a few of them. */
export const quotaBytes = 30

const limits = { maxUploadBytes: 1000, maxEntriesCount: 10, namespaceQuotaBytes: quotaBytes }

/** A request, or a process that waits for an answer. */
interface Waiting {
  /** Which server waits; none when it is only the network that still holds a request. */
  readonly server: Server | undefined
  /** What a request does when it arrives. */
  readonly effect: (() => void) | undefined
  go(fate?: Fate): void
  /** Until when a request arrives that nobody waits for. */
  readonly untilMs: number
}

/** One life of a server: it ends when it is killed, and another takes its place. */
interface Server {
  readonly staging: Staging
  readonly place: number
}

/**
 * A store, and several servers on it whose every request waits until it is chosen. Nothing happens by itself: `choose`
 * lets one waiting request go on, or come to grief.
 */
export class World {
  readonly objects: Objects = new Map()
  readonly pods = new SimulatedPods()
  readonly #startMs = Date.UTC(2026, 0, 1)
  #nowMs = this.#startMs
  #waiting: Waiting[] = []
  readonly #servers: Server[]
  readonly #wrong: Wrong
  #hadTrouble = false

  constructor(wrong: Wrong = {}) {
    this.#wrong = wrong
    this.#servers = clocksAheadMs.map((_aheadMs, place) => this.#startServer(place))
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Whether any server died, or any request came to grief. */
  get hadTrouble(): boolean {
    return this.#hadTrouble
  }

  /** Lets time pass. What is late by then arrives before. */
  advance(ms: number): void {
    this.#nowMs += ms
    const overdue = this.#waiting.filter(({ untilMs }) => untilMs < this.#nowMs)
    this.#waiting = this.#waiting.filter(({ untilMs }) => untilMs >= this.#nowMs)
    for (const { go } of overdue) go()
  }

  /** The server that answers request number `via` of a client: any of those there are. */
  server(via: number): Staging {
    return this.#at(via).staging
  }

  /** Lets everything run on that needs no turn; then all living servers wait, or are done. */
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

  /** Lets what waits as number `choice` (modulo) go on; a request may meet a fate. */
  choose(choice: number, fate?: Fate): void {
    const [chosen] = this.#waiting.splice(choice % this.#waiting.length, 1)
    if (chosen === undefined) return
    const isHit = fate !== undefined && chosen.server !== undefined && chosen.effect !== undefined
    if (isHit) this.#hadTrouble = true
    if (isHit && fate === 'late') this.#delay(chosen.effect)
    chosen.go(isHit ? fate : undefined)
  }

  /**
   * Kills the server of what waits as number `choice`: no call of its goes on. Another takes its place.
   *
   * @param isHeard whether what it had sent arrives all the same, some time
   */
  kill(choice: number, isHeard: boolean): void {
    const { server } = this.#waiting[choice % this.#waiting.length] ?? {}
    if (server === undefined) return
    this.#hadTrouble = true
    const cut = this.#waiting.filter(one => one.server === server)
    this.#waiting = this.#waiting.filter(one => one.server !== server)
    for (const { effect } of isHeard ? cut : []) this.#delay(effect)
    this.#servers[server.place] = this.#startServer(server.place)
  }

  /** Runs one thing to its end, alone and undisturbed, by a server whose clock is right. */
  async alone<T>(act: (staging: Staging) => Promise<T>): Promise<T> {
    const clock = this.#clock(0, async () => undefined)
    return act(this.#staging(clock, async () => undefined))
  }

  #at(place: number): Server {
    // There is one at every place.
    return this.#servers[place % this.#servers.length] as Server
  }

  #startServer(place: number): Server {
    const turn: Turn = effect =>
      new Promise(go => {
        const isAlive = this.#servers[place] === server
        if (isAlive) this.#waiting.push({ server, effect, go, untilMs: Number.POSITIVE_INFINITY })
      })
    const clock = this.#clock(clocksAheadMs[place] ?? 0, turn)
    const server: Server = { staging: this.#staging(clock, turn), place }
    return server
  }

  #delay(effect: (() => void) | undefined): void {
    if (effect === undefined) return
    const go = () => {
      try {
        effect()
      } catch {
        // Nobody is there to be told.
      }
    }
    this.#waiting.push({ server: undefined, effect, go, untilMs: this.#nowMs + latestMs })
  }

  /** Nothing is done now and then: whoever is slow looks dead to the others. */
  #clock(aheadMs: number, turn: Turn): Clock {
    return {
      now: () => this.#nowMs + aheadMs,
      steady: () => this.#nowMs,
      every: () => () => {},
      wait: async () => void (await turn())
    }
  }

  #staging(clock: Clock, turn: Turn): Staging {
    const { store: wrongStore, owners: wrongOwners } = this.#wrong
    const rightStore = simulatedStore(this.objects, turn)
    const store = wrongStore?.(rightStore, this.objects, clock.now) ?? rightStore
    const rightOwners = this.pods.owners(turn)
    const owners = wrongOwners?.(rightOwners) ?? rightOwners
    return createStaging(store, clock, times, limits, owners)
  }
}
