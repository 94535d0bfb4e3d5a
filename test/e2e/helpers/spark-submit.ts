import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cluster } from '../../cluster/cluster.ts'
import type { SparkVersion } from '../../cluster/spark-homes.ts'
import { type Ending, type Scope, startProcess } from '../../integration/helpers/start-process.ts'
import type { JobNamespace } from './job-namespace.ts'

/** A pod template that makes Spark's pods keep the restricted standard, and nothing else. */
export const restrictedTemplate = fileURLToPath(new URL('restricted-pod.yaml', import.meta.url))

export interface Job {
  readonly version: SparkVersion
  readonly namespace: JobNamespace
  /** As in spark-submit's own: options of the user's, the application, its arguments. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What is run before `args`; that version's own spark-submit by default. */
  readonly command?: readonly [string, ...string[]]
  /** Four minutes by default. spark-submit waits for ever when a driver fails early. */
  readonly timeoutSeconds?: number
}

/** What every job here needs of a small cluster whose images cannot be pulled. */
export function jobOptions(cluster: Cluster, { version, namespace }: Job): readonly string[] {
  const properties = {
    'spark.kubernetes.namespace': namespace.name,
    'spark.kubernetes.authenticate.driver.serviceAccountName': namespace.serviceAccount,
    'spark.kubernetes.container.image': cluster.sparkImage(version),
    'spark.kubernetes.container.image.pullPolicy': 'IfNotPresent',
    'spark.kubernetes.driver.podTemplateFile': restrictedTemplate,
    'spark.kubernetes.executor.podTemplateFile': restrictedTemplate,
    'spark.kubernetes.driver.request.cores': '0.1',
    'spark.kubernetes.executor.request.cores': '0.1',
    'spark.driver.memory': '600m',
    'spark.executor.memory': '600m',
    'spark.executor.instances': '1'
  }
  const confs = Object.entries(properties).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
  return ['--master', `k8s://${cluster.apiServer}`, '--deploy-mode', 'cluster', ...confs]
}

/** Submits a job from the cluster's network and waits for its end, or ends it. */
export async function submitJob(t: Scope, cluster: Cluster, job: Job): Promise<Ending> {
  const { version, args, env = {}, timeoutSeconds = 240 } = job
  const home = await cluster.sparkHome(version)
  const submit = job.command ?? [join(home, 'bin/spark-submit')]
  const limited = [...cluster.inNamespace, 'timeout', '--kill-after=10', `${timeoutSeconds}`, ...submit]
  const [command = '', ...first] = [...limited, ...jobOptions(cluster, job), ...args]
  const known = { SPARK_HOME: home, KUBECONFIG: cluster.kubeconfig, ...env }
  return await startProcess(t, command, first, { env: known }).ended
}

/** The log of the newest driver in a namespace. @param container its name in the user's template */
export async function driverLog(
  cluster: Cluster,
  namespace: JobNamespace,
  container?: string
): Promise<string> {
  const drivers = ['--namespace', namespace.name, '--selector', 'spark-role=driver']
  const names = await cluster.kubectl(
    'get',
    'pods',
    ...drivers,
    '--sort-by',
    '.metadata.creationTimestamp',
    '--output',
    'name'
  )
  const newest = names.trim().split('\n').at(-1)
  if (newest === undefined || newest === '') throw new Error(`there is no driver in ${namespace.name}`)
  const which = container === undefined ? [] : ['--container', container]
  return await cluster.kubectl('logs', newest, '--namespace', namespace.name, ...which)
}
