import { randomBytes } from 'node:crypto'
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { Cluster } from '../../cluster/cluster.ts'
import { statePath } from '../../cluster/paths.ts'
import { repositoryPath } from '../../integration/helpers/programs.ts'
import { stageImages } from './images.ts'

/** An instance of the server, installed from `deploy/` as it is. */
export interface Instance {
  readonly namespace: string
  /** Of its Service and Deployment. */
  readonly name: string
  /** As pods reach it. */
  readonly podServer: string
  /** For a submitter, through the API server. */
  readonly server: string
}

export interface InstanceOptions {
  /** One of `deploy/overlays/`. */
  readonly overlay: 'local-disk' | 'ttl-only' | 'ingress' | 'nodeport'
  readonly namespace: string
  /** Lets two instances be installed beside each other; part of all names. */
  readonly suffix?: string
  readonly config?: Readonly<Record<string, string>>
  /** The file of upload tokens, for `ttl-only`. */
  readonly uploadTokens?: string
}

/** Who may submit; the subject of the RoleBindings in `deploy/rbac`. */
export const submitters = 'spark-submitters'

/** Installs an instance and waits until it is ready. What was there under its name goes first. */
export async function installInstance(cluster: Cluster, options: InstanceOptions): Promise<Instance> {
  const { namespace, suffix = '', overlay, config = {}, uploadTokens } = options
  const name = `spark-stage${suffix}`
  await freshNamespace(cluster, namespace)
  await makeVolume(cluster, namespace, name)
  const key = `--from-literal=2026-01-01=${randomBytes(32).toString('hex')}`
  await cluster.kubectl('create', 'secret', 'generic', 'spark-stage-keys', key, '--namespace', namespace)
  if (uploadTokens !== undefined) {
    const tokens = ['spark-stage-upload-tokens', `--from-file=tokens.json=${uploadTokens}`]
    await cluster.kubectl('create', 'secret', 'generic', ...tokens, '--namespace', namespace)
  }
  const { server } = stageImages
  const [, image = '', tag = ''] = /^(.*):([^:]*)$/.exec(server) ?? []
  const literals = { SPARK_STAGE_INSTANCE: name, ...config }
  await applyKustomization(cluster, {
    namespace,
    ...(suffix === '' ? {} : { nameSuffix: suffix }),
    resources: [`deploy/overlays/${overlay}`],
    images: [{ name: 'spark-stage-server', newName: image, newTag: tag }],
    configMapGenerator: [
      {
        name: 'spark-stage',
        behavior: 'merge',
        literals: Object.entries(literals).map(([variable, value]) => `${variable}=${value}`)
      }
    ]
  })
  if (overlay !== 'ttl-only') {
    await applyKustomization(cluster, { namespace, resources: ['deploy/rbac/reach-server'] })
  }
  await waitForInstance(cluster, { namespace, name })
  const podServer = `http://${name}.${namespace}.svc:10000`
  return { namespace, name, podServer, server: `k8s://${namespace}/${name}` }
}

/** Waits until the present state of the Deployment is the one that serves. */
export async function waitForInstance(
  cluster: Cluster,
  { namespace, name }: Pick<Instance, 'namespace' | 'name'>
): Promise<void> {
  const status = ['rollout', 'status', `deployment/${name}`, '--namespace', namespace, '--timeout=110s']
  await cluster.kubectl(...status)
}

/** Removes a namespace with all that is in it, and makes it again, for restricted pods only. */
export async function freshNamespace(cluster: Cluster, namespace: string): Promise<void> {
  await cluster.kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--timeout=100s')
  await cluster.kubectl('create', 'namespace', namespace)
  const label = 'pod-security.kubernetes.io/enforce=restricted'
  await cluster.kubectl('label', 'namespace', namespace, label)
}

/** Our own cluster has no provisioner of volumes: here is one volume for the one claim of an instance. */
async function makeVolume(cluster: Cluster, namespace: string, claim: string): Promise<void> {
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

/** Applies one object. JSON is YAML. */
export async function applyManifest(cluster: Cluster, manifest: object): Promise<void> {
  await inTemporaryFolder(async folder => {
    const file = join(folder, 'manifest.json')
    await writeFile(file, JSON.stringify(manifest))
    await cluster.kubectl('apply', '--filename', file)
  })
}

/** @param kustomization with `resources` by their paths in the repository */
export async function applyKustomization(
  cluster: Cluster,
  kustomization: { readonly resources: readonly string[]; readonly [field: string]: unknown }
): Promise<void> {
  await inTemporaryFolder(async folder => {
    // Relative paths are all that kustomize takes.
    const resources = kustomization.resources.map(path => relative(folder, repositoryPath(path)))
    await writeFile(join(folder, 'kustomization.yaml'), JSON.stringify({ ...kustomization, resources }))
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
