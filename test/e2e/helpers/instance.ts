import { randomBytes } from 'node:crypto'
import type { Cluster } from '../../cluster/cluster.ts'
import { stageImages } from './images.ts'
import { applyKustomization, freshNamespace, type Kustomization } from './kubernetes.ts'
import { makeBucketFolder } from './minio.ts'
import { makeVolume, volumeHas } from './volume.ts'

/** An instance of the server, installed from `deploy/` as it is. */
export interface Instance {
  readonly namespace: string
  /** Of its Service and Deployment. */
  readonly name: string
  /** As pods reach it. */
  readonly podServer: string
  /** For a submitter, through the API server. */
  readonly server: string
  /** Whether the store has anything below a folder of it. */
  storeHas(folder: string): Promise<boolean>
}

export interface InstanceOptions {
  /** One of `deploy/overlays/`. */
  readonly overlay: Overlay
  readonly namespace: string
  /** Lets two instances be installed beside each other; part of all names. */
  readonly suffix?: string
  readonly config?: Readonly<Record<string, string>>
  /** The file of upload tokens, for `ttl-only`. */
  readonly uploadTokens?: string
}

/** What overlays are, beside where the store is. */
const ways = {
  'local-disk': [],
  s3: [],
  'ttl-only': ['ttl-only'],
  ingress: ['ingress'],
  nodeport: ['tls', 'nodeport']
} as const
type Overlay = keyof typeof ways

const { SPARK_STAGE_E2E_STORE: storeOfAll } = process.env

/** Who may submit; the subject of the RoleBindings in `deploy/rbac`. */
export const submitters = 'spark-submitters'

/** Installs an instance and waits until it is ready. What was there under its name goes first. */
export async function installInstance(cluster: Cluster, options: InstanceOptions): Promise<Instance> {
  const { namespace, suffix = '', overlay, config = {}, uploadTokens } = options
  const name = `spark-stage${suffix}`
  await freshNamespace(cluster, namespace)
  const key = { '2026-01-01': randomBytes(32).toString('hex') }
  await makeSecret(cluster, namespace, 'spark-stage-keys', key)
  if (uploadTokens !== undefined) {
    const tokens = ['spark-stage-upload-tokens', `--from-file=tokens.json=${uploadTokens}`]
    await cluster.kubectl('create', 'secret', 'generic', ...tokens, '--namespace', namespace)
  }
  const { server } = stageImages
  const [, image = '', tag = ''] = /^(.*):([^:]*)$/.exec(server) ?? []
  const isInS3 = overlay === 's3' || storeOfAll === 's3'
  const store = isInS3 ? await storeInS3(cluster, options) : await storeOnDisk(cluster, options, name)
  const literals = { SPARK_STAGE_INSTANCE: name, ...store.config, ...config }
  await applyKustomization(cluster, {
    namespace,
    ...(suffix === '' ? {} : { nameSuffix: suffix }),
    ...store.kustomization,
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
  const { storeHas } = store
  return { namespace, name, podServer, server: `k8s://${namespace}/${name}`, storeHas }
}

/** Waits until the present state of the Deployment is the one that serves. */
export async function waitForInstance(
  cluster: Cluster,
  { namespace, name }: Pick<Instance, 'namespace' | 'name'>
): Promise<void> {
  const status = ['rollout', 'status', `deployment/${name}`, '--namespace', namespace, '--timeout=110s']
  await cluster.kubectl(...status)
}

/** What an instance is put together from, which depends on where its store is. */
interface Store {
  readonly kustomization: Kustomization
  readonly config: Readonly<Record<string, string>>
  readonly storeHas: Instance['storeHas']
}

async function storeOnDisk(
  cluster: Cluster,
  { namespace, overlay }: InstanceOptions,
  name: string
): Promise<Store> {
  await makeVolume(cluster, namespace, name)
  return {
    kustomization: { resources: [`deploy/overlays/${overlay}`] },
    config: {},
    storeHas: folder => volumeHas(namespace, folder)
  }
}

/** An overlay of one server on a disk becomes three servers over a bucket. */
async function storeInS3(cluster: Cluster, { namespace, overlay }: InstanceOptions): Promise<Store> {
  const { config, accessKeyId, secretAccessKey, has } = await makeBucketFolder(cluster)
  await makeSecret(cluster, namespace, 'spark-stage-s3', {
    'access-key-id': accessKeyId,
    'secret-access-key': secretAccessKey
  })
  const parts = [...ways[overlay], 's3', 's3-credentials'].map(part => `deploy/components/${part}`)
  const whole =
    overlay === 's3'
      ? { resources: ['deploy/overlays/s3'] }
      : { resources: ['deploy/base'], components: parts }
  return { kustomization: { ...whole, patches: [smallRequest] }, config, storeHas: has }
}

/** On one small node, three servers must not take the place of the jobs. */
const smallRequest = {
  target: { kind: 'Deployment', name: 'spark-stage' },
  patch: JSON.stringify([
    { op: 'replace', path: '/spec/template/spec/containers/0/resources/requests/cpu', value: '10m' }
  ])
}

async function makeSecret(
  cluster: Cluster,
  namespace: string,
  name: string,
  values: Readonly<Record<string, string>>
): Promise<void> {
  const literals = Object.entries(values).map(([key, value]) => `--from-literal=${key}=${value}`)
  await cluster.kubectl('create', 'secret', 'generic', name, ...literals, '--namespace', namespace)
}
