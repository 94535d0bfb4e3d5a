import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { Cluster } from '../../cluster/cluster.ts'
import { repositoryPath } from '../../integration/helpers/programs.ts'

/** Removes a namespace with all that is in it, and makes it again, for restricted pods only. */
export async function freshNamespace(cluster: Cluster, namespace: string): Promise<void> {
  await cluster.kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--timeout=100s')
  await cluster.kubectl('create', 'namespace', namespace)
  const label = 'pod-security.kubernetes.io/enforce=restricted'
  await cluster.kubectl('label', 'namespace', namespace, label)
}

/** Applies one object. JSON is YAML. */
export async function applyManifest(cluster: Cluster, manifest: object): Promise<void> {
  await inTemporaryFolder(async folder => {
    const file = join(folder, 'manifest.json')
    await writeFile(file, JSON.stringify(manifest))
    await cluster.kubectl('apply', '--filename', file)
  })
}

/** `resources` and `components` by their paths in the repository. */
export interface Kustomization {
  readonly resources: readonly string[]
  readonly components?: readonly string[]
  readonly [field: string]: unknown
}

export async function applyKustomization(cluster: Cluster, kustomization: Kustomization): Promise<void> {
  await inTemporaryFolder(async folder => {
    // Relative paths are all that kustomize takes.
    const from = (path: string) => relative(folder, repositoryPath(path))
    const { resources, components = [] } = kustomization
    const paths = { resources: resources.map(from), components: components.map(from) }
    await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify({ ...kustomization, ...paths }))
    await cluster.kubectl('apply', '--kustomize', folder)
  })
}

async function inTemporaryFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'spark-stage-e2e-'))
  try {
    await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
