import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import { isLoopback } from '../shared/loopback.ts'
import { secondMs } from '../shared/units.ts'
import { type Config, v0Namespaces } from './config.ts'
import { anonymous } from './identity/anonymous.ts'
import { TokensFile } from './identity/tokens-file.ts'
import type { UploadIdentity } from './identity/upload-identity.ts'
import { redactedPaths, registerAccessLog } from './plugins/access-log.ts'
import { requireUploader } from './plugins/auth.ts'
import { Drain } from './plugins/drain.ts'
import { answerClientError, answerFrameworkError, registerErrors } from './plugins/errors.ts'
import { refuseForeignHost, refuseOrigin } from './plugins/same-machine.ts'
import { blobsRoute } from './routes/blobs.ts'
import { bundleRoute } from './routes/bundle.ts'
import { bundlesRoute } from './routes/bundles.ts'
import { entriesRoute } from './routes/entries.ts'
import { probesRoute } from './routes/probes.ts'
import { type Clock, systemClock } from './staging/clock.ts'
import { createStaging, type Staging } from './staging/staging.ts'
import { SweepRunner } from './staging/sweep-runner.ts'
import type { StorageDriver } from './storage/storage-driver.ts'
import { DownloadTokens } from './tokens/download-tokens.ts'
import { KeyRing } from './tokens/key-ring.ts'
import { v0Door } from './v0/v0-door.ts'

/** A connection over which nothing moves for this long is closed: slow clients hold no place for ever. */
const idleLimitMs = 60 * secondMs

/** Entries of one bundle. */
const maxEntriesCount = 10_000

/** What an app is built from, beside its configuration. */
export interface AppParts {
  readonly store: StorageDriver
  readonly keysDirectory: string
  /** Where log lines go; standard output by default. */
  readonly logStream?: { write(line: string): void }
  readonly clock?: Clock
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
 * @throws Error when the keys or the tokens file cannot be used
 */
export async function createApp(config: Config, parts: AppParts): Promise<App> {
  const { store, keysDirectory, clock = systemClock } = parts
  const server = createServer(config, parts)
  const activationMs = config.SPARK_STAGE_KEY_ACTIVATION_SECONDS * secondMs
  const keys = await KeyRing.open(keysDirectory, activationMs, clock.now, error =>
    server.log.error({ err: error }, 'signing key cannot be used')
  )
  const tokens = new DownloadTokens(keys, config.SPARK_STAGE_INSTANCE, clock.now)
  const identity = await openIdentity(config)
  const limits = { maxUploadBytes: config.SPARK_STAGE_MAX_UPLOAD_BYTES, maxEntriesCount }
  const staging = createStaging(store, clock, leaseTimes(config), limits)
  const drain = new Drain()
  drain.register(server)
  registerErrors(server)
  registerAccessLog(server)
  if (identity === anonymous) server.addHook('onRequest', refuseOrigin)
  if (identity === anonymous && isLoopback(config.SPARK_STAGE_HOST)) {
    server.addHook('onRequest', refuseForeignHost)
  }

  const options = { staging, tokens, drain, limits }
  const bundles = '/api/v1/namespaces/:ns/bundles'
  await server.register(async uploads => {
    uploads.addHook('onRequest', requireUploader(identity))
    await uploads.register(bundlesRoute, { ...options, prefix: bundles })
    await uploads.register(bundleRoute, { ...options, prefix: `${bundles}/:id` })
    await uploads.register(blobsRoute, { ...options, prefix: `${bundles}/:id` })
  })
  await server.register(entriesRoute, { ...options, prefix: '/api/v1/bundles/:ns/:id' })
  if (config.SPARK_STAGE_V0)
    await server.register(v0Door, { ...options, prefix: '/api', ...v0Options(config) })
  const checks = { storeWritable: () => store.probe(), keyPresent: async () => void (await keys.signing()) }
  await server.register(probesRoute, { checks, drain, now: clock.now })

  const sweeps = startSweeps(server, staging, clock, config)
  const stop = async () => {
    await Promise.all([drain.stop(config.SPARK_STAGE_DRAIN_SECONDS * secondMs), sweeps.stop()])
    server.server.closeAllConnections()
    await server.close()
  }
  return { server, stop }
}

function startSweeps(server: FastifyInstance, staging: Staging, clock: Clock, config: Config): SweepRunner {
  const { log } = server
  return new SweepRunner(staging.sweep, clock, config.SPARK_STAGE_SWEEP_INTERVAL_SECONDS * secondMs, {
    ended: (bundleId, { namespace, reason }) => log.info({ bundleId, namespace, reason }, 'bundle ended'),
    failed: (bundleId, error) => log.error({ err: error, bundleId }, 'bundle not swept'),
    done: summary => log[summary.looked > 0 ? 'info' : 'debug'](summary, 'sweep done'),
    broken: error => log.error({ err: error }, 'sweep failed, nothing removed for that reason')
  })
}

function createServer(config: Config, { logStream }: AppParts): FastifyInstance {
  const server = Fastify({
    logger: {
      level: config.SPARK_STAGE_LOG_LEVEL,
      redact: redactedPaths,
      ...(logStream === undefined ? {} : { stream: logStream })
    },
    // One line a request is enough: ours, in plugins/access-log.ts.
    logController: new LogController({ disableRequestLogging: true }),
    connectionTimeout: idleLimitMs,
    clientErrorHandler: answerClientError,
    frameworkErrors: answerFrameworkError,
    routerOptions: { maxParamLength: 4096 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, verbose: true } }
  })
  // Nothing here takes text; without its parser, text is refused as what it is.
  server.removeContentTypeParser('text/plain')
  return server.withTypeProvider<TypeBoxTypeProvider>()
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

async function openIdentity(config: Config): Promise<UploadIdentity> {
  if (config.SPARK_STAGE_UPLOAD_AUTH === 'none') return anonymous
  // loadConfig has refused tokens without a file; should it ever not, nobody may upload.
  return TokensFile.open(config.SPARK_STAGE_UPLOAD_TOKENS_FILE ?? '')
}
