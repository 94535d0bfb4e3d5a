import { exitCodes } from '../../shared/exit-codes.ts'
import { secondMs } from '../../shared/units.ts'
import { nameOfPod, whyFailed } from './explain-pod.ts'
import type { FoundDriver, Job, JobWatch } from './job-watch.ts'
import type { Leftovers } from './leftovers.ts'

/** How a submission ended. */
export interface Conclusion {
  /** `failed` also when there is no driver; `unknown` when Kubernetes could not be asked. */
  readonly outcome: 'succeeded' | 'failed' | 'running' | 'unknown'
  readonly exitCode: number
  /** What to tell people, line by line. */
  readonly lines: readonly string[]
  /** The driver pod's name. */
  readonly driver?: string
}

/** How long the API server is asked for the driver. */
const askMs = 30 * secondMs

/**
 * Looks at what became of the job once spark-submit has ended, which ends well also when the driver failed. What would
 * be left without a driver is removed; after an error nothing is.
 *
 * @param code spark-submit's exit code
 */
export async function conclude(
  watch: JobWatch,
  job: Job,
  leftovers: Leftovers,
  code: number
): Promise<Conclusion> {
  let driver: FoundDriver | undefined
  try {
    driver = await watch.findDriver(AbortSignal.timeout(askMs))
  } catch (error) {
    leftovers.keep()
    const line = `whether there is a driver could not be found out, so Secret ${job.secretName} and bundle ${job.namespace}/${job.bundleId} stay: ${(error as Error).message}`
    return { outcome: 'unknown', exitCode: code || exitCodes.gaveUp.code, lines: [line] }
  }
  if (driver === undefined) return withoutDriver(leftovers, code)
  leftovers.keep()
  return { ...judge(driver, job, code), driver: driver.pod.metadata.name }
}

async function withoutDriver(leftovers: Leftovers, code: number): Promise<Conclusion> {
  const failures = await leftovers.remove()
  const rest = failures.length === 0 ? 'the Secret and the bundle are removed' : 'not all is removed'
  return {
    outcome: 'failed',
    exitCode: code || exitCodes.applicationFailed.code,
    lines: [`spark-submit made no driver pod; ${rest}`, ...failures]
  }
}

function judge({ pod, isThere }: FoundDriver, { namespace }: Job, code: number): Omit<Conclusion, 'driver'> {
  const failed = { outcome: 'failed', exitCode: code || exitCodes.applicationFailed.code } as const
  const name = nameOfPod(pod)
  const phase = pod.status?.phase
  if (phase === 'Succeeded') return { outcome: 'succeeded', exitCode: code, lines: [`${name} succeeded`] }
  if (phase === 'Failed') return { ...failed, lines: [`${name} failed: ${whyFailed(pod)}`] }
  if (!isThere) return { ...failed, lines: [`${name} was deleted before it ended`] }
  const before = code === 0 ? '' : `spark-submit ended with ${code}; `
  const line = `${before}the job runs on: ${name} is ${phase} in namespace ${namespace}, and its files stay as long as it lives`
  return { outcome: 'running', exitCode: code, lines: [line] }
}
