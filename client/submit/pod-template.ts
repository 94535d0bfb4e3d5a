import { isPlaintext } from '../../shared/loopback.ts'
import { MiB } from '../../shared/units.ts'
import { isMapping, type Mapping, TemplateError } from './template-yaml.ts'

/** Names in the pods of a job. `docs/guide.md` has them too. */
export const podNames = {
  bundleLabel: 'spark-stage/bundle',
  initContainer: 'spark-stage-init',
  filesVolume: 'spark-stage',
  tokenVolume: 'spark-stage-token',
  expiryAnnotation: 'spark-stage/expires-at',
  authoritiesAnnotation: 'spark-stage/ca.crt',
  stagingDirectory: '/var/spark-stage',
  tokenDirectory: '/etc/spark-stage'
} as const

/** What the pods of a job need to fetch its bundle. */
export interface StagedBundle {
  readonly namespace: string
  readonly bundleId: string
  /** It has the download token under the key `token`. */
  readonly secretName: string
  /** The server as pods reach it. */
  readonly podServer: URL
  /** PEM text of the only authorities to trust; absent means those of Node. */
  readonly authorities?: string | undefined
  /** Of all distinct files. */
  readonly totalBytes: number
  readonly initImage: string
  /** `Always`, `IfNotPresent` or `Never`. */
  readonly pullPolicy: string
}

/** Which pod a template is for, and which of its containers becomes Spark's. */
export interface PodRole {
  readonly role: 'driver' | 'executor'
  /** `spark.kubernetes.<role>.podTemplateContainerName`. */
  readonly containerName?: string | undefined
}

/**
 * A pod template with our init container, volumes, label and mount added. All that the user's template has stays, known
 * to us or not, in its order.
 *
 * @throws TemplateError when the template is no Pod, or has something of our names already
 */
export function mergeTemplate(template: Mapping, role: PodRole, bundle: StagedBundle): Mapping {
  if (template['kind'] !== undefined && template['kind'] !== 'Pod') {
    throw new TemplateError(`expected a Pod, found kind ${JSON.stringify(String(template['kind']))}`)
  }
  const metadata = mappingAt(template, 'metadata')
  const spec = mappingAt(template, 'spec')
  const containers = listAt(spec, 'containers', 'spec.containers')
  const initContainers = listAt(spec, 'initContainers', 'spec.initContainers')
  const volumes = listAt(spec, 'volumes', 'spec.volumes')
  const labels = mappingAt(metadata, 'labels')
  const annotations = mappingAt(metadata, 'annotations')
  refuseNames('a container', [...initContainers, ...containers], [podNames.initContainer])
  refuseNames('a volume', volumes, [podNames.filesVolume, podNames.tokenVolume])
  refuseKey('a label', labels, podNames.bundleLabel)
  refuseKey('an annotation', annotations, podNames.authoritiesAnnotation)
  const { authorities } = bundle
  const added = authorities === undefined ? {} : { [podNames.authoritiesAnnotation]: authorities }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    ...template,
    metadata: {
      ...metadata,
      labels: { ...labels, [podNames.bundleLabel]: bundle.bundleId },
      ...(authorities === undefined ? {} : { annotations: { ...annotations, ...added } })
    },
    spec: {
      ...spec,
      initContainers: initContainers.toSpliced(placeOf(initContainers), 0, initContainer(bundle)),
      containers: withMount(containers, role),
      volumes: [...volumes, filesVolume(bundle), tokenVolume(bundle)]
    }
  }
}

/** Quantity of the staging volume: a fifth more than the files, for what is on its way, and some for the rest. */
export function volumeLimit(totalBytes: number): string {
  return `${Math.ceil((totalBytes * 1.2) / MiB) + 64}Mi`
}

/**
 * After the last native sidecar, which may be the mesh proxy that our container needs to reach anything; else first, so
 * that the user's own init containers find the files.
 */
function placeOf(initContainers: readonly Mapping[]): number {
  return initContainers.findLastIndex(({ restartPolicy }) => restartPolicy === 'Always') + 1
}

/** The containers with the staging volume mounted in the one that Spark takes: the one of the name, or else the first. */
function withMount(containers: readonly Mapping[], { role, containerName }: PodRole): readonly Mapping[] {
  const [named, ...others] = containers.filter(
    ({ name }) => containerName !== undefined && name === containerName
  )
  const spark = (others.length === 0 ? named : undefined) ?? containers[0]
  if (spark === undefined) return [withStagedFiles({ name: `spark-kubernetes-${role}` })]
  return containers.map(container => (container === spark ? withStagedFiles(container) : container))
}

function withStagedFiles(container: Mapping): Mapping {
  const mounts = listAt(container, 'volumeMounts', 'volumeMounts of the Spark container')
  const inTheWay = mounts.find(({ mountPath }) => String(mountPath).replace(/\/+$/, '') === stagingDirectory)
  if (inTheWay !== undefined) {
    throw new TemplateError(`something is mounted at ${stagingDirectory} already, where staged files go`)
  }
  return {
    // So that the end of the log is in the pod's status, for whoever may not read logs.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    ...container,
    volumeMounts: [
      ...mounts,
      { name: podNames.filesVolume, mountPath: podNames.stagingDirectory, readOnly: true }
    ]
  }
}

const { stagingDirectory, tokenDirectory } = podNames

function initContainer({ initImage, pullPolicy, ...bundle }: StagedBundle): Mapping {
  const env = {
    SPARK_STAGE_SERVER: bundle.podServer.href.replace(/\/$/, ''),
    SPARK_STAGE_BUNDLE: `${bundle.namespace}/${bundle.bundleId}`,
    SPARK_STAGE_TOKEN_FILE: `${tokenDirectory}/token`,
    SPARK_STAGE_INTO: stagingDirectory,
    ...(bundle.authorities === undefined ? {} : { SPARK_STAGE_CA_FILE: `${tokenDirectory}/ca.crt` }),
    ...(isPlaintext(bundle.podServer) ? { SPARK_STAGE_ALLOW_PLAINTEXT: 'true' } : {})
  }
  return {
    name: podNames.initContainer,
    image: initImage,
    imagePullPolicy: pullPolicy,
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    resources: {
      requests: { cpu: '100m', memory: '64Mi' },
      limits: { cpu: '1', memory: '256Mi' }
    },
    securityContext: {
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' }
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: podNames.filesVolume, mountPath: stagingDirectory },
      { name: podNames.tokenVolume, mountPath: tokenDirectory, readOnly: true }
    ]
  }
}

function filesVolume({ totalBytes }: StagedBundle): Mapping {
  return { name: podNames.filesVolume, emptyDir: { sizeLimit: volumeLimit(totalBytes) } }
}

/** Readable by whatever user the image has; no other container mounts it. */
function tokenVolume({ secretName, authorities }: StagedBundle): Mapping {
  const token = { secret: { name: secretName, items: [{ key: 'token', path: 'token' }] } }
  const fieldPath = `metadata.annotations['${podNames.authoritiesAnnotation}']`
  const certificates = { downwardAPI: { items: [{ path: 'ca.crt', fieldRef: { fieldPath } }] } }
  const sources = authorities === undefined ? [token] : [token, certificates]
  return { name: podNames.tokenVolume, projected: { defaultMode: 292, sources } }
}

function refuseNames(what: string, items: readonly Mapping[], names: readonly string[]): void {
  const found = items.find(({ name }) => names.includes(String(name)))
  if (found === undefined) return
  throw new TemplateError(`it has ${what} named ${found['name']}, which is ours; give it another name`)
}

function refuseKey(what: string, mapping: Mapping, key: string): void {
  if (mapping[key] !== undefined)
    throw new TemplateError(`it has ${what} ${key}, which is ours; leave it out`)
}

function mappingAt(parent: Mapping, key: string): Mapping {
  const value = parent[key] ?? {}
  if (isMapping(value)) return value
  throw new TemplateError(`expected ${key} to have named parts, found something else`)
}

function listAt(parent: Mapping, key: string, what: string): readonly Mapping[] {
  const value = parent[key] ?? []
  if (Array.isArray(value) && value.every(isMapping)) return value
  throw new TemplateError(`expected ${what} to be a list of parts with names, found something else`)
}
