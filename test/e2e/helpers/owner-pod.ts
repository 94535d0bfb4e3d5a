import type { Cluster } from '../../cluster/cluster.ts'
import { type SparkVersion, sparkVersions } from '../../cluster/spark-homes.ts'
import type { JobNamespace } from './job-namespace.ts'
import { applyManifest } from './kubernetes.ts'

/** A pod that is the owner of a bundle as a driver is, without Spark in it. */
export interface OwnerPod {
  readonly name: string
  readonly namespace: JobNamespace
  readonly labels: Readonly<Record<string, string>>
  /** How long it runs. */
  readonly seconds: number
}

export async function runOwnerPod(cluster: Cluster, pod: OwnerPod): Promise<void> {
  const [version] = sparkVersions satisfies readonly SparkVersion[]
  await applyManifest(cluster, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod.name, namespace: pod.namespace.name, labels: pod.labels },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 185, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'main',
          image: cluster.sparkImage(version),
          command: ['sleep', `${pod.seconds}`],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } }
        }
      ]
    }
  })
}
