/** One row of the table of figures. */
export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
}

/**
 * Every figure of `/metrics`. `docs/metrics.md` is held equal to this table by a test. Labels take few values: patterns
 * of routes, codes of errors, names from these tables; never a namespace, an id or anything else from outside.
 */
export const metricTable = {
  spark_stage_request_duration_seconds: {
    type: 'histogram',
    labels: ['method', 'route', 'status'],
    help: 'From the headers of a request to the last byte of its answer; status is 2xx to 5xx, or cut when the client left before.'
  },
  spark_stage_received_bytes_total: {
    type: 'counter',
    labels: [],
    help: 'Bytes that clients have sent, headers and all.'
  },
  spark_stage_sent_bytes_total: {
    type: 'counter',
    labels: [],
    help: 'Bytes that clients were sent, headers and all.'
  },
  spark_stage_connections: { type: 'gauge', labels: [], help: 'Open connections.' },
  spark_stage_active_transfers: {
    type: 'gauge',
    labels: ['direction'],
    help: 'Transfers under way; direction is upload (requests that stage files) or download (bytes being sent).'
  },
  spark_stage_queued_transfers: {
    type: 'gauge',
    labels: [],
    help: 'Downloads that wait for their turn.'
  },
  spark_stage_refusals_total: {
    type: 'counter',
    labels: ['code'],
    help: 'Requests answered with an error, by its code in docs/errors.md.'
  },
  spark_stage_actions_total: {
    type: 'counter',
    labels: ['action', 'outcome'],
    help: 'Audited actions by outcome, as in docs/operations.md: uploads, commits, downloads, revocations, removals.'
  },
  spark_stage_bundles: {
    type: 'gauge',
    labels: ['state'],
    help: 'Bundles that are there, in all of the store; state is committed or draft.'
  },
  spark_stage_stored_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Bytes of committed bundles, in all of the store.'
  },
  spark_stage_reserved_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Bytes set aside for drafts and running uploads, in all of the store.'
  },
  spark_stage_free_bytes: {
    type: 'gauge',
    labels: [],
    help: 'Bytes that the disk of the store can still take; not for stores that know no bounds.'
  },
  spark_stage_sweep_duration_seconds: {
    type: 'histogram',
    labels: ['outcome'],
    help: 'Sweeps and how long they took; outcome is done, or failed when nothing more could be looked at.'
  },
  spark_stage_swept_bundles_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Bundles in sweeps; result is looked (all of them), ended, forgotten (nothing is left of it) or failed (left for the next sweep).'
  },
  spark_stage_identity_reviews_total: {
    type: 'counter',
    labels: ['outcome'],
    help: 'Questions about Kubernetes tokens and rights; outcome is granted, refused, failed (the API server could not say) or remembered (from the last seconds).'
  },
  spark_stage_owner_watches: {
    type: 'gauge',
    labels: ['state'],
    help: 'Watches of pods, one a namespace or one for all; state is synced, or broken: then no bundle ends there that had an owner.'
  },
  spark_stage_owned_bundles: {
    type: 'gauge',
    labels: [],
    help: 'Bundles that living pods are labelled with.'
  }
} as const satisfies Readonly<Record<string, MetricRow>>

export type MetricName = keyof typeof metricTable
