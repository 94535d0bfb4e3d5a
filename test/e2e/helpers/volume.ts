import { chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster } from '../../cluster/cluster.ts'
import { isThere } from '../../cluster/once-cached.ts'
import { statePath } from '../../cluster/paths.ts'
import { applyManifest } from './kubernetes.ts'

/** Our own cluster has no provisioner of volumes: here is one volume for the one claim of a namespace. */
export async function makeVolume(cluster: Cluster, namespace: string, claim: string): Promise<void> {
  if (!cluster.isOwn) return
  const path = statePath('volumes', namespace)
  await cluster.kubectl('delete', 'persistentvolume', namespace, '--ignore-not-found', '--timeout=60s')
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { recursive: true })
  await chown(path, 65_532, 65_532)
  await applyManifest(cluster, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: namespace },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '50Gi' },
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claim },
      hostPath: { path }
    }
  })
}

/** Whether there is something in a volume, which is a folder of this machine: to look needs no API server. */
export function volumeHas(namespace: string, ...path: readonly string[]): Promise<boolean> {
  return isThere(join(statePath('volumes', namespace), ...path))
}
