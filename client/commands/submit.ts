import type { Report } from '../../shared/progress.ts'
import { ClientError } from '../client-error.ts'
import type { SubmitOptions } from '../options.ts'
import { type DryRun, describeDryRun, dryRun } from '../submit/dry-run.ts'
import { findSparkSubmit, sparkHome } from '../submit/find-spark-submit.ts'
import type { JobCluster } from '../submit/job-cluster.ts'
import { removeOrphans } from '../submit/orphans.ts'
import { readJob } from '../submit/read-job.ts'
import { runSparkSubmit } from '../submit/run-spark-submit.ts'
import { hashDependencies } from '../submit/stage-files.ts'
import type { ClusterPlace } from '../submit/submit-plan.ts'
import { type SubmittedJob, submitJob } from '../submit/submitting.ts'

/** What `submit --json` prints. */
export type SubmitResult = UntouchedRun | DryRun | SubmittedJob

/** spark-submit ran, or would run, with the arguments as they are. */
export interface UntouchedRun {
  readonly staged: false
  readonly why: string
  readonly command: readonly string[]
  readonly exitCode: number
}

/** How a cluster is opened, so that a test needs none. */
export type OpenCluster = (place: ClusterPlace) => Promise<JobCluster>

/**
 * Stages the local files of a spark-submit command line, runs spark-submit with their new names, and looks at what
 * becomes of the driver.
 *
 * @throws ClientError with the cause that decides the exit code, or `Stopped`; then no job was submitted
 */
export async function submit(
  options: SubmitOptions,
  openCluster: OpenCluster,
  report: Report,
  signal: AbortSignal
): Promise<SubmitResult> {
  const { args, environment, workingDirectory, isTerminal, json } = options
  const program = await findSparkSubmit(options.sparkSubmit, environment)
  const home = await sparkHome(program, environment)
  const job = await readJob(args, { ...options, workingDirectory, sparkHome: home })
  const run = { program, environment, isTerminal, keepsOutput: json }
  if (!job.stages) {
    report.note(job.why)
    const exitCode = options.dryRun ? 0 : await runSparkSubmit({ ...run, args }, signal)
    return { staged: false, why: job.why, command: [program, ...args], exitCode }
  }
  const dependencies = [...job.submission.dependencies.files.values()].flat()
  const files = await hashDependencies(dependencies, report, signal)
  if (options.dryRun) return await dryRun(job, files, program, options.caFile)
  const cluster = await openCluster(job.plan.cluster)
  await tidyUp(cluster, job.plan.namespace, report, signal)
  return await submitJob({ job, files, cluster, route: options, run, report }, signal)
}

/** Removes what earlier submissions left that ended the hard way. That it may not is no reason to stop. */
async function tidyUp(
  cluster: JobCluster,
  namespace: string,
  report: Report,
  signal: AbortSignal
): Promise<void> {
  try {
    const removed = await removeOrphans(cluster, namespace, Date.now(), signal)
    for (const { name } of removed)
      report.note(`Secret ${name} of an earlier submission has expired: removed`)
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    report.note(`Secrets that earlier submissions left are not looked for: ${error.message}`)
  }
}

/** The result of {@link submit} for people; what spark-submit printed is on the screen already. */
export function describeSubmit(result: SubmitResult): string {
  if (result.staged === 'dry run') return describeDryRun(result)
  if (result.staged) return result.message
  return result.why
}
