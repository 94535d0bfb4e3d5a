import type { Server as TlsServer } from 'node:https'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance, type FastifyServerOptions, LogController } from 'fastify'
import { isLoopback } from '../shared/loopback.ts'
import { secondMs } from '../shared/units.ts'
import {
  type Config,
  certificateFiles,
  kubernetesAccess,
  trustedProxies,
  v0Namespaces,
  watchedNamespaces
} from './config.ts'
import { anonymous } from './identity/anonymous.ts'
import type { Cluster } from './identity/kubernetes-cluster.ts'
import { TokensFile } from './identity/tokens-file.ts'
import type { UploadIdentity } from './identity/upload-identity.ts'
import { Metrics } from './observe/metrics.ts'
import { figuresOf } from './observe/store-figures.ts'
import type { OwnerKeeper } from './owners/owner-keeper.ts'
import { redactedPaths, registerAccessLog } from './plugins/access-log.ts'
import { requireUploader } from './plugins/auth.ts'
import { Certificate } from './plugins/certificate.ts'
import { DownloadQueue } from './plugins/download-queue.ts'
import { Drain } from './plugins/drain.ts'
import { answerClientError, answerFrameworkError, registerErrors } from './plugins/errors.ts'
import { IdleLimit } from './plugins/idle-limit.ts'
import { registerOpenapi } from './plugins/openapi.ts'
import { registerMetrics } from './plugins/request-metrics.ts'
import { refuseForeignHost, refuseOrigin } from './plugins/same-machine.ts'
import { blobsRoute } from './routes/blobs.ts'
import { bundleRoute } from './routes/bundle.ts'
import { bundlesRoute } from './routes/bundles.ts'
import { entriesRoute } from './routes/entries.ts'
import { metricsRoute } from './routes/metrics.ts'
import { openapiRoute } from './routes/openapi.ts'
import { probesRoute } from './routes/probes.ts'
import { type Clock, clockOf, systemClock } from './staging/clock.ts'
import { createStaging, type Staging } from './staging/staging.ts'
import type { StagingLimits } from './staging/staging-context.ts'
import { SweepRunner } from './staging/sweep-runner.ts'
import type { StorageDriver } from './storage/storage-driver.ts'
import { DownloadTokens } from './tokens/download-tokens.ts'
import { KeyRing } from './tokens/key-ring.ts'
import { v0Door } from './v0/v0-door.ts'

/** How long a stopping server waits for uploads that it has cut to be undone; the sweep does the rest. */
const tidyMs = 5 * secondMs

/** Entries of one bundle. */
const maxEntriesCount = 10_000

/** What an app is built from, beside its configuration. */
export interface AppParts {
  readonly store: StorageDriver
  readonly keysDirectory: string
  /** Where log lines go; standard output by default. */
  readonly logStream?: { write(line: string): void }
  readonly clock?: Clock
  /** The cluster to ask; by default that of the kubeconfig or of the pod, where the configuration needs one. */
  readonly cluster?: Cluster
}

/** The server, ready to listen, and the way to end it. */
export interface App {
  readonly server: FastifyInstance
  /** Takes no new uploads, lets running transfers end (bounded), closes. The store stays open. */
  stop(): Promise<void>
}

/**
 * Builds the whole server over an open store.
 *
 * @throws Error when the keys, the tokens file or the kubeconfig cannot be used
 */
export async function createApp(config: Config, parts: AppParts): Promise<App> {
  const { store, keysDirectory, clock = clockOf(parts.store) } = parts
  const files = certificateFiles(config)
  const certificate = files === undefined ? undefined : await Certificate.open(files)
  const server = createServer(config, parts, certificate)
  const activationMs = config.SPARK_STAGE_KEY_ACTIVATION_SECONDS * secondMs
  const keys = await KeyRing.open(keysDirectory, activationMs, clock.now, error =>
    server.log.error({ err: error }, 'signing key cannot be used')
  )
  const tokens = new DownloadTokens(keys, config.SPARK_STAGE_INSTANCE, clock.now)
  const limits = stagingLimits(config)
  const times = leaseTimes(config)
  const cluster = parts.cluster ?? (needsCluster(config) ? await findCluster() : undefined)
  const owners = cluster && (await createOwners(server, config, cluster))
  const staging = createStaging(store, clock, times, limits, owners?.owners)
  const drain = new Drain()
  const downloads = new DownloadQueue({
    maxActiveCount: config.SPARK_STAGE_MAX_ACTIVE_DOWNLOADS,
    maxQueuedCount: config.SPARK_STAGE_MAX_QUEUED_DOWNLOADS
  })
  drain.register(server)
  // Not by the given clock: that one is about leases, and a test's may leap.
  new IdleLimit(config.SPARK_STAGE_IDLE_SECONDS).register(server, systemClock.every)
  await registerOpenapi(server)
  registerErrors(server)
  registerAccessLog(server)
  const metrics = new Metrics({
    downloads,
    ...figuresOf(store, staging.usage),
    ...(owners === undefined ? {} : { owners: () => owners.owners.figures })
  })
  const identity = await openIdentity(config, cluster, metrics)
  registerMetrics(server, metrics)
  if (identity === anonymous) server.addHook('onRequest', refuseOrigin)
  if (identity === anonymous && isLoopback(config.SPARK_STAGE_HOST)) {
    server.addHook('onRequest', refuseForeignHost)
  }

  const options = { staging, tokens, drain, downloads, limits }
  const bundles = '/api/v1/namespaces/:ns/bundles'
  await server.register(async uploads => {
    uploads.addHook('onRequest', requireUploader(identity))
    await uploads.register(bundlesRoute, { ...options, prefix: bundles })
    await uploads.register(bundleRoute, { ...options, prefix: `${bundles}/:id` })
    await uploads.register(blobsRoute, { ...options, prefix: `${bundles}/:id` })
  })
  const redirects = config.SPARK_STAGE_S3_REDIRECT
  await server.register(entriesRoute, { ...options, redirects, prefix: '/api/v1/bundles/:ns/:id' })
  if (config.SPARK_STAGE_V0)
    await server.register(v0Door, { ...options, prefix: '/api', ...v0Options(config) })
  const checks = { storeWritable: () => store.probe(), keyPresent: async () => void (await keys.signing()) }
  await server.register(probesRoute, { checks, drain, now: clock.now })
  await server.register(metricsRoute, { metrics })
  await server.register(openapiRoute)

  const sweeps = startSweeps(server, staging, metrics, clock, config)
  await owners?.start(staging.ownership, clock, times)
  const stop = async () => {
    const drainMs = config.SPARK_STAGE_DRAIN_SECONDS * secondMs
    await Promise.all([drain.stop(drainMs), sweeps.stop(), owners?.stop()])
    server.server.closeAllConnections()
    // What was cut takes its bytes away again.
    await drain.idle(Math.min(drainMs, tidyMs))
    await server.close()
  }
  return { server, stop }
}

function startSweeps(
  server: FastifyInstance,
  staging: Staging,
  metrics: Metrics,
  clock: Clock,
  config: Config
): SweepRunner {
  const sweep: Staging['sweep'] = (report, signal) => metrics.timeSweep(() => staging.sweep(report, signal))
  const { log } = server
  return new SweepRunner(sweep, clock, config.SPARK_STAGE_SWEEP_INTERVAL_SECONDS * secondMs, {
    ended: (bundleId, { namespace, reason, principal }) => {
      metrics.countAction('remove', 'done')
      const event = { action: 'remove', outcome: 'done', namespace, bundleId, stagedBy: principal, reason }
      log.info(event, 'bundle ended')
    },
    failed: (bundleId, error) => log.error({ err: error, bundleId }, 'bundle not swept'),
    done: summary => log[summary.looked > 0 ? 'info' : 'debug'](summary, 'sweep done'),
    wrongClock: asideMs => log.error({ asideMs }, "this machine's clock is not the store's, no sweep"),
    leaped: leapMs => log.error({ leapMs }, 'clock went ahead, no sweep for an hour'),
    broken: error => log.error({ err: error }, 'sweep failed, nothing removed for that reason')
  })
}

function createServer(
  config: Config,
  { logStream }: AppParts,
  certificate: Certificate | undefined
): FastifyInstance {
  const idleMs = config.SPARK_STAGE_IDLE_SECONDS * secondMs
  // Without a request under way, a connection ends by these; during one the idle limit rules.
  const connectionsCheckingInterval = Math.ceil(idleMs / 6)
  const timeouts = { headersTimeout: idleMs, requestTimeout: 0, connectionsCheckingInterval }
  const proxies = trustedProxies(config)
  const options: FastifyServerOptions<TlsServer> = {
    // A balancer in front that keeps connections for a minute must be the first to close them.
    keepAliveTimeout: Math.ceil(1.2 * idleMs),
    trustProxy: proxies.length === 0 ? false : [...proxies],
    logger: {
      level: config.SPARK_STAGE_LOG_LEVEL,
      redact: redactedPaths,
      ...(logStream === undefined ? {} : { stream: logStream })
    },
    // One line a request is enough: ours, in plugins/access-log.ts.
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: answerClientError,
    frameworkErrors: answerFrameworkError,
    routerOptions: { maxParamLength: 4096 },
    // All schemas are our own: to check them against the schema of schemas would only make the start slower.
    ajv: {
      customOptions: { coerceTypes: false, removeAdditional: false, verbose: true, validateSchema: false }
    }
  }
  const tls = certificate && { ...timeouts, handshakeTimeout: idleMs, ...certificate.options }
  // A boundary: Fastify's types know https only without the options for http; its instance differs in the server alone.
  const server = Fastify<TlsServer>({ ...options, https: tls ?? null, ...{ http: timeouts } })
  const stopWatching = certificate?.watch(server.server, systemClock.every, server.log)
  server.addHook('onClose', async () => stopWatching?.())
  // Nothing here takes text; without its parser, text is refused as what it is.
  server.removeContentTypeParser('text/plain')
  return server.withTypeProvider<TypeBoxTypeProvider>()
}

/** A bundle that can never fit into its namespace or the store is too large to begin with. */
function stagingLimits(config: Config): StagingLimits {
  const {
    SPARK_STAGE_MAX_UPLOAD_BYTES: uploadBytes,
    SPARK_STAGE_NAMESPACE_QUOTA_BYTES: namespaceQuotaBytes,
    SPARK_STAGE_MAX_STORE_BYTES: maxStoreBytes
  } = config
  return {
    maxUploadBytes: Math.min(uploadBytes, namespaceQuotaBytes ?? uploadBytes, maxStoreBytes ?? uploadBytes),
    maxEntriesCount,
    ...(namespaceQuotaBytes === undefined ? {} : { namespaceQuotaBytes }),
    ...(maxStoreBytes === undefined ? {} : { maxStoreBytes })
  }
}

function leaseTimes(config: Config) {
  return {
    leaseMs: config.SPARK_STAGE_LEASE_SECONDS * secondMs,
    draftLeaseMs: config.SPARK_STAGE_DRAFT_LEASE_SECONDS * secondMs,
    maxAgeMs: config.SPARK_STAGE_MAX_BUNDLE_AGE_SECONDS * secondMs
  }
}

function v0Options(config: Config) {
  return { namespaces: v0Namespaces(config), isLoopbackOnly: isLoopback(config.SPARK_STAGE_HOST) }
}

function needsCluster(config: Config): boolean {
  return config.SPARK_STAGE_UPLOAD_AUTH === 'kubernetes' || watchedNamespaces(config) !== undefined
}

/** What has to do with Kubernetes is loaded only by servers that need it. */
async function findCluster(): Promise<Cluster> {
  const { openCluster } = await import('./identity/kubernetes-cluster.ts')
  return openCluster()
}

async function createOwners(
  { log }: FastifyInstance,
  config: Config,
  cluster: Cluster
): Promise<OwnerKeeper | undefined> {
  const namespaces = watchedNamespaces(config)
  if (namespaces === undefined) return undefined
  const { OwnerKeeper } = await import('./owners/owner-keeper.ts')
  const graceMs = config.SPARK_STAGE_GRACE_SECONDS * secondMs
  return new OwnerKeeper({ cluster, namespaces: namespaces === '*' ? undefined : namespaces, graceMs }, log)
}

async function openIdentity(
  config: Config,
  cluster: Cluster | undefined,
  metrics: Metrics
): Promise<UploadIdentity> {
  if (config.SPARK_STAGE_UPLOAD_AUTH === 'none') return anonymous
  if (cluster !== undefined && config.SPARK_STAGE_UPLOAD_AUTH === 'kubernetes') {
    const { KubernetesTokens } = await import('./identity/kubernetes-tokens.ts')
    return new KubernetesTokens({
      cluster,
      audience: config.SPARK_STAGE_INSTANCE,
      access: kubernetesAccess(config),
      steady: systemClock.steady,
      countReview: outcome => metrics.countReview(outcome)
    })
  }
  // loadConfig has refused tokens without a file; should it ever not, nobody may upload.
  return TokensFile.open(config.SPARK_STAGE_UPLOAD_TOKENS_FILE ?? '')
}
