import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { type ErrorCode, errorTable } from '../../shared/errors.ts'
import { secondMs } from '../../shared/units.ts'
import type { AuditedAction, Outcome } from './audit.ts'
import { type MetricName, type MetricRow, metricTable } from './metric-table.ts'
import { Traffic } from './traffic.ts'

/** What a store holds, without looking at every bundle. */
export interface StoreFigures {
  readonly storedBytes: number
  readonly reservedBytes: number
  readonly committedCount: number
  readonly draftsCount: number
}

/** Where figures come from that others keep; asked at each scrape. */
export interface FigureSources {
  readonly downloads: { readonly activeCount: number; readonly queuedCount: number }
  /** @returns undefined while the store cannot be asked */
  readonly storeFigures: () => Promise<StoreFigures | undefined>
  /** Absent for stores that know no bounds. @returns undefined while the store cannot be asked */
  readonly freeBytes: (() => Promise<number | undefined>) | undefined
  /** Absent where no owners are watched. */
  readonly owners?: () => {
    readonly syncedCount: number
    readonly brokenCount: number
    readonly ownersCount: number
  }
}

/** A request when its answer is over. */
export interface EndedRequest {
  readonly method: string
  /** The route's pattern; undefined when there was none for the path. */
  readonly route: string | undefined
  readonly status: number
  readonly isCut: boolean
  readonly ms: number
  readonly code: ErrorCode | undefined
  readonly action: AuditedAction | undefined
  readonly outcome: Outcome
}

const reviewOutcomes = ['granted', 'refused', 'failed', 'remembered'] as const

const sweepResults = ['looked', 'ended', 'forgotten', 'failed'] as const

/** How many bundles a sweep did what with. */
export type SweepCounts = Readonly<Record<(typeof sweepResults)[number], number>>

/** Seconds: from an answer out of memory to a file of many gigabytes. */
const requestBuckets = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300]
const sweepBuckets = [0.01, 0.1, 1, 10, 60, 600]

/** The figures of one server, each in a registry of its own. */
export class Metrics {
  readonly #registry = new Registry()
  readonly #sources: FigureSources
  readonly #traffic = new Traffic()
  #uploadsCount = 0

  readonly #requests = this.#histogram('spark_stage_request_duration_seconds', requestBuckets)
  readonly #received = this.#counter('spark_stage_received_bytes_total')
  readonly #sent = this.#counter('spark_stage_sent_bytes_total')
  readonly #connections = this.#gauge('spark_stage_connections')
  readonly #active = this.#gauge('spark_stage_active_transfers')
  readonly #queued = this.#gauge('spark_stage_queued_transfers')
  readonly #refusals = this.#counter('spark_stage_refusals_total')
  readonly #actions = this.#counter('spark_stage_actions_total')
  readonly #bundles = this.#gauge('spark_stage_bundles')
  readonly #stored = this.#gauge('spark_stage_stored_bytes')
  readonly #reserved = this.#gauge('spark_stage_reserved_bytes')
  readonly #free: Gauge | undefined
  readonly #sweeps = this.#histogram('spark_stage_sweep_duration_seconds', sweepBuckets)
  readonly #swept = this.#counter('spark_stage_swept_bundles_total')
  readonly #reviews = this.#counter('spark_stage_identity_reviews_total')
  readonly #watches = this.#gauge('spark_stage_owner_watches')
  readonly #owned = this.#gauge('spark_stage_owned_bundles')

  constructor(sources: FigureSources) {
    this.#sources = sources
    this.#free = sources.freeBytes && this.#gauge('spark_stage_free_bytes')
    // A rate needs its zero: without it, the first error of a kind would not show as an increase.
    for (const code of Object.keys(errorTable)) this.#refusals.inc({ code }, 0)
    for (const result of sweepResults) this.#swept.inc({ result }, 0)
    for (const outcome of reviewOutcomes) this.#reviews.inc({ outcome }, 0)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The figures as Prometheus reads them. What the store cannot tell now is `NaN`. */
  async text(): Promise<string> {
    const { downloads, storeFigures, freeBytes } = this.#sources
    const [figures, free] = await Promise.all([storeFigures(), freeBytes?.()])
    const { receivedBytes, sentBytes } = this.#traffic.bytes()
    this.#received.reset()
    this.#received.inc(receivedBytes)
    this.#sent.reset()
    this.#sent.inc(sentBytes)
    this.#connections.set(this.#traffic.connectionsCount)
    this.#active.set({ direction: 'upload' }, this.#uploadsCount)
    this.#active.set({ direction: 'download' }, downloads.activeCount)
    this.#queued.set(downloads.queuedCount)
    this.#stored.set(figures?.storedBytes ?? Number.NaN)
    this.#reserved.set(figures?.reservedBytes ?? Number.NaN)
    this.#bundles.set({ state: 'committed' }, figures?.committedCount ?? Number.NaN)
    this.#bundles.set({ state: 'draft' }, figures?.draftsCount ?? Number.NaN)
    this.#free?.set(free ?? Number.NaN)
    const owners = this.#sources.owners?.()
    this.#watches.set({ state: 'synced' }, owners?.syncedCount ?? 0)
    this.#watches.set({ state: 'broken' }, owners?.brokenCount ?? 0)
    this.#owned.set(owners?.ownersCount ?? 0)
    return this.#registry.metrics()
  }

  /** Counts a connection and its bytes from now on. */
  get watchConnection(): Traffic['watch'] {
    return this.#traffic.watch
  }

  /** Counts an upload as under way until the returned function is called, once. */
  beginUpload(): () => void {
    this.#uploadsCount += 1
    return () => {
      this.#uploadsCount -= 1
    }
  }

  endRequest({ method, route, status, isCut, ms, code, action, outcome }: EndedRequest): void {
    const labels = { method, route: route ?? 'none', status: isCut ? 'cut' : `${Math.floor(status / 100)}xx` }
    this.#requests.observe(labels, ms / secondMs)
    if (code !== undefined) this.#refusals.inc({ code })
    if (action !== undefined) this.countAction(action, outcome)
  }

  countAction(action: AuditedAction, outcome: Outcome): void {
    this.#actions.inc({ action, outcome })
  }

  /** Counts a question about a Kubernetes token or right. */
  countReview(outcome: (typeof reviewOutcomes)[number]): void {
    this.#reviews.inc({ outcome })
  }

  /** Runs a sweep and counts what came of it. @throws whatever the sweep throws */
  async timeSweep<Summary extends SweepCounts>(sweep: () => Promise<Summary>): Promise<Summary> {
    const startedMs = performance.now()
    let outcome: Outcome = 'failed'
    try {
      const summary = await sweep()
      outcome = 'done'
      for (const result of sweepResults) this.#swept.inc({ result }, summary[result])
      return summary
    } finally {
      this.#sweeps.observe({ outcome }, (performance.now() - startedMs) / secondMs)
    }
  }

  #counter(name: MetricName): Counter {
    return new Counter(this.#options(name))
  }

  #gauge(name: MetricName): Gauge {
    return new Gauge(this.#options(name))
  }

  #histogram(name: MetricName, buckets: number[]): Histogram {
    return new Histogram({ ...this.#options(name), buckets })
  }

  #options(name: MetricName) {
    const { help, labels }: MetricRow = metricTable[name]
    return { name, help, labelNames: labels, registers: [this.#registry] }
  }
}
