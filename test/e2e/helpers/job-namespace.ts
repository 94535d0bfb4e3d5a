import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import type { Cluster } from '../../cluster/cluster.ts'
import { collectFailure } from './collect-failure.ts'
import { applyKustomization } from './kubernetes.ts'

/** A namespace that holds pods to the restricted standard, with what `deploy/rbac/spark` gives it. */
export interface JobNamespace {
  readonly name: string
  /** May make and remove executors, and what belongs to them. */
  readonly serviceAccount: string
}

/**
 * Makes a namespace of this test's own, in which Spark applications may run. When the test has failed, what is in it is
 * kept in a folder first; it is removed in any case.
 *
 * @param label begins its name
 */
export async function makeJobNamespace(t: Test, cluster: Cluster, label: string): Promise<JobNamespace> {
  const namespace = await makeBareNamespace(t, cluster, label)
  await applyKustomization(cluster, { namespace: namespace.name, resources: ['deploy/rbac/spark'] })
  return namespace
}

/** As {@link makeJobNamespace}, but nobody has any right in it. */
export async function makeBareNamespace(t: Test, cluster: Cluster, label: string): Promise<JobNamespace> {
  const name = `${label}-${randomBytes(3).toString('hex')}`
  t.teardown(async () => {
    if (!t.passing()) t.comment(`kept in ${await collectFailure(cluster, t.fullname, [name])}`)
    await cluster.kubectl('delete', 'namespace', name, '--wait=false', '--ignore-not-found')
  })
  await cluster.kubectl('create', 'namespace', name)
  await cluster.kubectl('label', 'namespace', name, 'pod-security.kubernetes.io/enforce=restricted')
  return { name, serviceAccount: 'spark' }
}
