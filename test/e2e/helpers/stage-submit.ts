import type { Test } from 'tap'
import type { Cluster } from '../../cluster/cluster.ts'
import { repositoryPath } from '../../integration/helpers/programs.ts'
import type { Ending } from '../../integration/helpers/start-process.ts'
import { stageImages } from './images.ts'
import { type Instance, submitters } from './instance.ts'
import type { JobNamespace } from './job-namespace.ts'
import { type Job, submitJob } from './spark-submit.ts'

/** A job that goes through an instance of ours. */
export interface StagedJob extends Job {
  readonly instance: Instance
  /** Whose kubeconfig; {@link submitter} by default. */
  readonly kubeconfig?: string
  /** Options of `spark-stage submit` itself. */
  readonly options?: readonly string[]
}

/** A user with the rights of `deploy/rbac` alone. */
export function submitter(cluster: Cluster): Promise<string> {
  return cluster.certificateUser('alice', [submitters])
}

/** How a job names its instance, and the image of the init container: by properties. */
export function stageOptions(instance: Instance): readonly string[] {
  const properties = {
    'spark.kubernetes.resourceStagingServer.uri': instance.server,
    'spark.kubernetes.initcontainer.image': stageImages.init
  }
  return Object.entries(properties).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
}

/** Runs `spark-stage submit` as a user does, with the server named by the property. */
export async function stageAndSubmit(t: Test, cluster: Cluster, job: StagedJob): Promise<Ending> {
  const { instance, options = [] } = job
  const KUBECONFIG = job.kubeconfig ?? (await submitter(cluster))
  return await submitJob(t, cluster, {
    ...job,
    command: [process.execPath, repositoryPath('client/main.ts'), 'submit', ...options, '--'],
    args: [...stageOptions(instance), ...job.args],
    env: { ...job.env, KUBECONFIG, SPARK_STAGE_AUDIENCE: instance.name }
  })
}

/** What follows `RESULT ` in a log, once. @throws Error with the end of the log when there is none */
export function resultIn(log: string): string {
  const results = [...log.matchAll(/^RESULT (.*)$/gm)]
  if (results.length === 1) return results[0]?.[1] ?? ''
  throw new Error(`expected one RESULT, found ${results.length} in:\n${log.slice(-8000)}`)
}

/** Names of what a job may leave in its namespace. */
export async function secretsIn(cluster: Cluster, namespace: JobNamespace): Promise<readonly string[]> {
  const args = ['get', 'secrets', '--namespace', namespace.name, '--output', 'name']
  return (await cluster.kubectl(...args)).split('\n').filter(name => name !== '')
}
