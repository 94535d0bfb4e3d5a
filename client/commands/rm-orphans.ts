import type { ClusterOptions } from '../kubernetes/cluster-options.ts'
import type { OrphansOptions } from '../options.ts'
import { openKubernetes } from '../server-options.ts'
import { type Orphan, type OrphanCluster, removeOrphans } from '../submit/orphans.ts'

/** What `rm --orphans --json` prints. */
export interface RemovedOrphans {
  readonly namespace: string
  readonly removed: readonly Orphan[]
}

/**
 * Removes the Secrets of a namespace that submissions left which never had a driver, once their bundles have expired.
 *
 * @throws ClientError with the missing right, or why Kubernetes could not be asked
 */
export async function rmOrphans(
  { namespace, environment }: OrphansOptions,
  signal: AbortSignal,
  openCluster: (options: ClusterOptions) => Promise<OrphanCluster> = openKubernetes
): Promise<RemovedOrphans> {
  const cluster = await openCluster({ environment })
  return { namespace, removed: await removeOrphans(cluster, namespace, Date.now(), signal) }
}

/** The result of {@link rmOrphans} for people. */
export function describeOrphans({ namespace, removed }: RemovedOrphans): string {
  if (removed.length === 0) return `no expired Secrets without a pod in namespace ${namespace}`
  return removed.map(({ name }) => `removed   Secret ${namespace}/${name}`).join('\n')
}
