import { hourMs, secondMs } from '../../shared/units.ts'
import type { Clock } from './clock.ts'
import type { SweepReport, SweepSummary } from './sweep.ts'

/** What a runner of sweeps tells, beside what the sweeps themselves do. */
export interface SweepRunnerReport extends SweepReport {
  done(summary: SweepSummary): void
  /** The clock went ahead by so many milliseconds more than passed; no sweep for an hour. */
  leaped(leapMs: number): void
  /** This process's own clock is so many milliseconds away from the store's; no sweep until it is right. */
  wrongClock(asideMs: number): void
  /** The whole sweep failed, for example because the store did; nothing was removed for that reason. */
  broken(error: unknown): void
}

/** What a clock may be corrected by between two sweeps, and how far it may be away from the store's. */
const longestLeapMs = 60 * secondMs

/** Sweeps now and then, never two at a time. */
export class SweepRunner {
  readonly #sweep: (report: SweepReport, signal: AbortSignal) => Promise<SweepSummary>
  readonly #report: SweepRunnerReport
  readonly #stop = new AbortController()
  readonly #clock: Clock
  readonly #stopClock: () => void
  #running: Promise<void> | undefined
  #seen: { readonly nowMs: number; readonly steadyMs: number }
  #waitUntilMs = Number.NEGATIVE_INFINITY

  /** @param intervalMs milliseconds from one start to the next; one that takes longer delays the next */
  constructor(
    sweep: (report: SweepReport, signal: AbortSignal) => Promise<SweepSummary>,
    clock: Clock,
    intervalMs: number,
    report: SweepRunnerReport
  ) {
    this.#sweep = sweep
    this.#report = report
    this.#clock = clock
    this.#seen = { nowMs: clock.now(), steadyMs: clock.steady() }
    this.#stopClock = clock.every(intervalMs, () => void this.run())
  }

  /** Sweeps now, unless a sweep is running: then resolves with that one. */
  run(): Promise<void> {
    this.#running ??= this.#runOnce().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Starts no more sweeps; resolves when a running one has come to a good place to end. */
  async stop(): Promise<void> {
    this.#stopClock()
    this.#stop.abort()
    await this.#running
  }

  async #runOnce(): Promise<void> {
    if (!this.#isClockTrusted()) return
    try {
      this.#report.done(await this.#sweep(this.#report, this.#stop.signal))
    } catch (error) {
      this.#report.broken(error)
    }
  }

  /**
   * A clock that leaps ahead would end what is not due. Whoever sets it wrong gets an hour to set it right; set right
   * after it was wrong, it costs an hour.
   */
  #isClockTrusted(): boolean {
    const seen = { nowMs: this.#clock.now(), steadyMs: this.#clock.steady() }
    const before = this.#seen
    this.#seen = seen
    const leapMs = seen.nowMs - before.nowMs - (seen.steadyMs - before.steadyMs)
    if (leapMs > longestLeapMs) {
      this.#waitUntilMs = seen.steadyMs + hourMs
      this.#report.leaped(leapMs)
    }
    const asideMs = this.#clock.asideMs?.() ?? 0
    if (asideMs > longestLeapMs) this.#report.wrongClock(asideMs)
    return seen.steadyMs >= this.#waitUntilMs && asideMs <= longestLeapMs
  }
}
