import { isBundleId } from '../../shared/names.ts'
import { isDriver } from './explain-pod.ts'
import type { JobCluster, JobSecret } from './job-cluster.ts'
import { podNames } from './pod-template.ts'

/** What is asked of Kubernetes here. */
export type OrphanCluster = Pick<JobCluster, 'listSecrets' | 'listPods' | 'ownSecretByPod' | 'deleteSecret'>

/** A Secret of ours that belongs to no driver pod: a `submit` runs this very moment, or ended before it could tidy up. */
export interface Orphan {
  readonly namespace: string
  readonly name: string
  readonly bundleId: string
  /** When the lease of its bundle ends unless the bundle is used, RFC 3339. */
  readonly expiresAt: string
}

/** The Secrets of a namespace that belong to no pod. @throws ClientError when they may not be listed */
export async function findOrphans(
  cluster: Pick<OrphanCluster, 'listSecrets'>,
  namespace: string,
  signal: AbortSignal
): Promise<readonly Orphan[]> {
  const secrets = await cluster.listSecrets({ namespace, labelSelector: podNames.bundleLabel }, signal)
  return secrets.flatMap(secret => toOrphan(namespace, secret) ?? [])
}

/**
 * Removes the Secrets that belong to no pod and whose bundle has expired. One that pods still use is kept, and given
 * to their driver if there is one.
 *
 * @param nowMs milliseconds since the epoch
 * @returns those that were removed
 * @throws ClientError with the missing right, or why Kubernetes could not be asked; then nothing more is removed
 */
export async function removeOrphans(
  cluster: OrphanCluster,
  namespace: string,
  nowMs: number,
  signal: AbortSignal
): Promise<readonly Orphan[]> {
  const removed: Orphan[] = []
  for (const orphan of await findOrphans(cluster, namespace, signal)) {
    if (Date.parse(orphan.expiresAt) > nowMs) continue
    const labelSelector = `${podNames.bundleLabel}=${orphan.bundleId}`
    const pods = await cluster.listPods({ namespace, labelSelector }, signal)
    const driver = pods.find(isDriver)
    if (driver !== undefined) {
      const { name, uid } = driver.metadata
      await cluster.ownSecretByPod({ ...orphan, pod: { name, uid } }, signal)
    }
    if (pods.length > 0) continue
    await cluster.deleteSecret(orphan, signal)
    removed.push(orphan)
  }
  return removed
}

/** Only what has all the marks of ours. */
function toOrphan(namespace: string, { metadata = {} }: JobSecret): Orphan | undefined {
  const { name = '', labels = {}, annotations = {}, ownerReferences = [] } = metadata
  const bundleId = labels[podNames.bundleLabel] ?? ''
  const expiresAt = annotations[podNames.expiryAnnotation] ?? ''
  const isOurs = isBundleId(bundleId) && name === `spark-stage-${bundleId}`
  if (!isOurs || ownerReferences.length > 0 || Number.isNaN(Date.parse(expiresAt))) return undefined
  return { namespace, name, bundleId, expiresAt }
}
