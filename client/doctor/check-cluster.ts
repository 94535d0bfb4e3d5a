import type { OpenCluster } from '../server-options.ts'
import type { ServerPlace } from '../server-place.ts'
import { forwardTo, type ServiceWay } from '../server-route.ts'
import type { JobCluster } from '../submit/job-cluster.ts'
import { findOrphans } from '../submit/orphans.ts'
import type { Finding } from './examination.ts'

/** Whether there is a cluster to ask. @throws ClientError */
export async function checkCluster(
  openCluster: OpenCluster,
  environment: NodeJS.ProcessEnv
): Promise<Finding<JobCluster>> {
  return {
    found: await openCluster({ environment }),
    message: 'the kubeconfig names an API server, and who asks it'
  }
}

/** Whether the server's port can be forwarded; whoever asked closes it. @throws ClientError */
export async function checkService(
  cluster: JobCluster,
  place: ServerPlace & { readonly type: 'service' },
  signal: AbortSignal
): Promise<Finding<ServiceWay>> {
  const way = await forwardTo(cluster, place, signal)
  const message = `a ready pod of Service ${place.namespace}/${place.service} is reached through the API server`
  return { found: way, message }
}

/** Whether this user gets the token that uploads need. @throws ClientError with the missing right */
export async function checkServiceAccount(
  cluster: JobCluster,
  account: { readonly namespace: string; readonly serviceAccount: string; readonly audience: string },
  signal: AbortSignal
): Promise<Finding<string>> {
  const token = await cluster.requestToken({ ...account, seconds: shortestSeconds }, signal)
  const { namespace, serviceAccount, audience } = account
  return { found: token, message: `one of service account ${namespace}/${serviceAccount} for ${audience}` }
}

/** Kubernetes gives no token for less. */
const shortestSeconds = 600

/** What submissions left that ended the hard way. @throws ClientError with the missing right */
export async function checkLeftovers(
  cluster: JobCluster,
  namespace: string,
  signal: AbortSignal
): Promise<Finding<undefined>> {
  const orphans = await findOrphans(cluster, namespace, signal)
  if (orphans.length === 0)
    return { found: undefined, message: 'every Secret of a job belongs to its driver' }
  const lines = orphans.map(({ name, expiresAt }) => `Secret ${name}, of a bundle that expires ${expiresAt}`)
  const todo = `Once expired they go with the next submit, or: spark-stage rm --orphans --namespace ${namespace}`
  const warning = [...lines, todo].join('\n  ')
  return { found: undefined, message: 'Secrets of jobs that have no driver yet, or never had one', warning }
}
