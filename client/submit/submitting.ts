import type { Report } from '../../shared/progress.ts'
import { secondMs } from '../../shared/units.ts'
import { askForBundle } from '../ask-for-bundle.ts'
import { ClientError } from '../client-error.ts'
import { StageServer } from '../http-client.ts'
import { openRoute, type RouteOptions, type ServerRoute } from '../server-route.ts'
import { Stopped, stopSignalOf } from '../stopped.ts'
import { type Conclusion, conclude } from './conclude.ts'
import type { JobCluster } from './job-cluster.ts'
import { type Job, JobWatch } from './job-watch.ts'
import { Leftovers } from './leftovers.ts'
import { TemplateFolder, templateTexts } from './pod-files.ts'
import { podNames } from './pod-template.ts'
import type { StagingJob } from './read-job.ts'
import { rewriteArguments } from './rewrite-arguments.ts'
import { runSparkSubmit, type SparkSubmitRun } from './run-spark-submit.ts'
import { type FileToStage, type StagedFiles, stageFiles } from './stage-files.ts'

/** All that a submission needs once its files are hashed. */
export interface Submitting {
  readonly job: StagingJob
  readonly files: readonly FileToStage[]
  readonly cluster: JobCluster
  readonly route: RouteOptions & { readonly parallelCount: number }
  readonly run: Omit<SparkSubmitRun, 'args'>
  readonly report: Report
}

/** A job that was staged and submitted, and what became of it. */
export interface SubmittedJob extends Omit<Conclusion, 'lines'> {
  readonly staged: true
  /** `<namespace>/<bundleId>`. */
  readonly bundle: string
  /** Bytes of the files that were sent. */
  readonly uploadedBytes: number
  /** Bytes of all distinct files. */
  readonly totalBytes: number
  /** What became of the job, in words. */
  readonly message: string
}

/** How long the server is asked to revoke a bundle that nobody will need. */
const revokeMs = 10 * secondMs

/**
 * Stages the files, makes the Secret and the templates, runs spark-submit and looks after the job until that ends.
 *
 * @throws ClientError, or {@link Stopped}; then what was made is removed again, or named in the message
 */
export async function submitJob(submitting: Submitting, signal: AbortSignal): Promise<SubmittedJob> {
  const { job, cluster, report } = submitting
  const route = { ...submitting.route, note: report.note }
  const { plan } = job
  const account = { namespace: plan.namespace, driverServiceAccount: serviceAccountOf(job) }
  const server = await openRoute(cluster, plan.server, account, route, signal)
  try {
    return await stageAndRun(submitting, server, signal)
  } finally {
    await server.close()
  }
}

async function stageAndRun(
  submitting: Submitting,
  server: ServerRoute,
  signal: AbortSignal
): Promise<SubmittedJob> {
  const { job } = submitting
  const { plan, templates } = job
  const leftovers = new Leftovers()
  try {
    const staged = await stage(submitting, server, leftovers, signal)
    await using folder = await TemplateFolder.make()
    const secretName = `spark-stage-${staged.bundleId}`
    const podServer = plan.podServer ?? server.inCluster
    const authorities = podServer.protocol === 'https:' ? server.authorities : undefined
    const texts = templateTexts(templates, plan, { ...plan, ...staged, secretName, podServer, authorities })
    const properties = await folder.write(texts)
    const { bundleId, paths } = staged
    const { stagingDirectory } = podNames
    const args = rewriteArguments(job.submission, { bundleId, stagingDirectory, paths, properties })
    const watched = { namespace: plan.namespace, bundleId, secretName }
    await makeSecret(submitting, watched, staged, leftovers, signal)
    const conclusion = await runWatched(submitting, watched, args, leftovers, signal)
    return toResult(plan.namespace, staged, conclusion)
  } catch (error) {
    throw withLeftovers(error, await leftovers.remove(), signal)
  }
}

/** The account that the driver will run as, as Spark decides: the property, the template, `default`. */
function serviceAccountOf({ plan, templates }: StagingJob): string {
  const { spec } = templates.driver as { readonly spec?: { readonly serviceAccountName?: unknown } | null }
  const templateAccount = spec?.serviceAccountName
  return plan.serviceAccount ?? (templateAccount === undefined ? 'default' : String(templateAccount))
}

async function stage(
  { job, files, route, report }: Submitting,
  server: ServerRoute,
  leftovers: Leftovers,
  signal: AbortSignal
): Promise<StagedFiles> {
  const { namespace } = job.plan
  const serverOptions = { ...server.options, onRetry: report.note }
  const onDraft = (bundleId: string): void => {
    const call = { method: 'DELETE', below: '', parse: () => undefined } as const
    leftovers.add(`bundle ${namespace}/${bundleId}`, async removal => {
      await using connection = await StageServer.open({ ...serverOptions, giveUpMs: revokeMs })
      await askForBundle(connection, { namespace, bundleId }, call, removal)
    })
  }
  await using connection = await StageServer.open(serverOptions)
  const request = { namespace, files, parallelCount: route.parallelCount }
  return await stageFiles(connection, request, onDraft, report, signal)
}

async function makeSecret(
  { cluster }: Submitting,
  { namespace, bundleId, secretName: name }: Job,
  { token, expiresAt }: StagedFiles,
  leftovers: Leftovers,
  signal: AbortSignal
): Promise<void> {
  // Before it is there: its answer may get lost.
  leftovers.add(`Secret ${name}`, removal => cluster.deleteSecret({ namespace, name }, removal))
  const labels = { [podNames.bundleLabel]: bundleId }
  const annotations = { [podNames.expiryAnnotation]: expiresAt }
  await cluster.createSecret({ namespace, name, labels, annotations, token }, signal)
}

/** Runs spark-submit under a watch that begins before it and ends after it. */
async function runWatched(
  { cluster, run, report }: Submitting,
  job: Job,
  args: readonly string[],
  leftovers: Leftovers,
  signal: AbortSignal
): Promise<Conclusion> {
  signal.throwIfAborted()
  const watch = new JobWatch(cluster, job, report.note)
  const watching = new AbortController()
  const followed = watch.follow(watching.signal)
  let code: number
  try {
    code = await runSparkSubmit({ ...run, args }, signal)
  } finally {
    watching.abort()
    await followed
  }
  return await conclude(watch, job, leftovers, code)
}

function toResult(
  namespace: string,
  { bundleId, uploadedBytes, totalBytes }: StagedFiles,
  { lines, ...conclusion }: Conclusion
): SubmittedJob {
  const bundle = `${namespace}/${bundleId}`
  return { staged: true, bundle, uploadedBytes, totalBytes, ...conclusion, message: lines.join('\n') }
}

/** The error, with what is left behind all the same. */
function withLeftovers(error: unknown, failures: readonly string[], signal: AbortSignal): unknown {
  if (signal.aborted) {
    return new Stopped(stopSignalOf(signal), ['stopped; no job was submitted', ...failures].join('\n'))
  }
  if (failures.length === 0 || !(error instanceof ClientError)) return error
  return new ClientError(error.exitCause, [error.message, ...failures].join('\n'), { cause: error })
}
