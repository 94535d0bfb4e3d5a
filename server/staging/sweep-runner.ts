import type { Clock } from './clock.ts'
import type { SweepReport, SweepSummary } from './sweep.ts'

/** What a runner of sweeps tells, beside what the sweeps themselves do. */
export interface SweepRunnerReport extends SweepReport {
  done(summary: SweepSummary): void
  /** The whole sweep failed, for example because the store did; nothing was removed for that reason. */
  broken(error: unknown): void
}

/** Sweeps now and then, never two at a time. */
export class SweepRunner {
  readonly #sweep: (report: SweepReport, signal: AbortSignal) => Promise<SweepSummary>
  readonly #report: SweepRunnerReport
  readonly #stop = new AbortController()
  readonly #stopClock: () => void
  #running: Promise<void> | undefined

  /** @param intervalMs milliseconds from one start to the next; one that takes longer delays the next */
  constructor(
    sweep: (report: SweepReport, signal: AbortSignal) => Promise<SweepSummary>,
    clock: Clock,
    intervalMs: number,
    report: SweepRunnerReport
  ) {
    this.#sweep = sweep
    this.#report = report
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
    try {
      this.#report.done(await this.#sweep(this.#report, this.#stop.signal))
    } catch (error) {
      this.#report.broken(error)
    }
  }
}
