import { forkKeys } from '../../shared/fork-keys.ts'
import { isPlaintext } from '../../shared/loopback.ts'
import { isNamespace } from '../../shared/names.ts'
import { type ServerPlace, serverPlace } from '../server-place.ts'
import type { DependencyProblem } from './local-dependencies.ts'
import type { SparkProperties } from './spark-properties.ts'

/** The properties that are asked here, all but the last two also Spark's or the fork's. */
const keys = {
  server: forkKeys.server,
  podServer: 'spark.kubernetes.resourceStagingServer.internal.uri',
  initImage: 'spark.kubernetes.initcontainer.image',
  namespace: 'spark.kubernetes.namespace',
  context: 'spark.kubernetes.context',
  serviceAccount: 'spark.kubernetes.authenticate.driver.serviceAccountName',
  pullPolicy: 'spark.kubernetes.container.image.pullPolicy',
  submission: 'spark.kubernetes.authenticate.submission'
} as const

/** What our own options say in place of properties. */
export interface Overrides {
  readonly server?: string | undefined
  /** Whether secrets may cross the network readable. */
  readonly allowPlaintext: boolean
}

/** Where a job goes and how its pods get their files, as far as arguments and properties say. */
export interface SubmitPlan {
  readonly server: ServerPlace
  /** Absent: what `server` comes to within the cluster. */
  readonly podServer?: URL | undefined
  readonly initImage: string
  readonly pullPolicy: string
  readonly namespace: string
  /** Absent when no property says it; then the driver's pod template may. */
  readonly serviceAccount?: string | undefined
  readonly cluster: ClusterPlace
  readonly templates: Readonly<Record<Role, TemplatePlace>>
}

/** The two kinds of pods of a job. */
export type Role = 'driver' | 'executor'

/** Both, in the order in which they start. */
export const roles = ['driver', 'executor'] as const satisfies readonly Role[]

/** Which API server, and who asks it. */
export interface ClusterPlace {
  readonly apiServer: string
  readonly context?: string | undefined
  readonly submission: {
    readonly caCertFile?: string | undefined
    readonly clientCertFile?: string | undefined
    readonly clientKeyFile?: string | undefined
    readonly oauthTokenFile?: string | undefined
    /** A secret. */
    readonly oauthToken?: string | undefined
  }
}

/** The user's own pod template. */
export interface TemplatePlace {
  /** `spark.kubernetes.<role>.podTemplateFile`. */
  readonly file?: string | undefined
  readonly containerName?: string | undefined
}

/** The property that names a role's pod template. */
export function templateKey(role: Role): string {
  return `spark.kubernetes.${role}.podTemplateFile`
}

/**
 * Collects what a submission needs to know besides its files.
 *
 * @param master `k8s://…`
 * @param problems gets all that is missing or wrong; then there is no plan
 */
export function planSubmission(
  master: string,
  properties: SparkProperties,
  overrides: Overrides,
  problems: DependencyProblem[]
): SubmitPlan | undefined {
  const property = (key: string): string | undefined => properties.get(key)?.value || undefined
  const checked = <Value>(what: string, check: () => Value): Value | undefined => {
    try {
      return check()
    } catch (error) {
      // A boundary: the checks throw texts for people.
      problems.push({ what, reason: (error as Error).message })
      return undefined
    }
  }
  const said = overrides.server ?? property(keys.server)
  const server = checked(overrides.server === undefined ? keys.server : '--server', () =>
    expectSafe(serverPlace(said), overrides)
  )
  const internal = property(keys.podServer)
  const podServer = checked(keys.podServer, () => internal && podServerUrl(internal))
  const initImage = checked(keys.initImage, () => expectImage(property(keys.initImage)))
  const namespace = checked(keys.namespace, () => expectNamespace(property(keys.namespace) ?? 'default'))
  if (server === undefined || initImage === undefined || namespace === undefined) return undefined
  const submissionKey = (name: string) => property(`${keys.submission}.${name}`)
  return {
    server,
    podServer: podServer || undefined,
    initImage,
    pullPolicy: property(keys.pullPolicy) ?? 'IfNotPresent',
    namespace,
    serviceAccount: property(keys.serviceAccount),
    cluster: {
      apiServer: apiServerOf(master),
      context: property(keys.context),
      submission: {
        caCertFile: submissionKey('caCertFile'),
        clientCertFile: submissionKey('clientCertFile'),
        clientKeyFile: submissionKey('clientKeyFile'),
        oauthTokenFile: submissionKey('oauthTokenFile'),
        oauthToken: submissionKey('oauthToken')
      }
    },
    templates: { driver: templateOf('driver', property), executor: templateOf('executor', property) }
  }
}

/** The API server of `k8s://…`; without a scheme it is https, as in Spark. */
export function apiServerOf(master: string): string {
  const rest = master.slice('k8s://'.length)
  return rest.includes('://') ? rest : `https://${rest}`
}

function templateOf(role: Role, property: (key: string) => string | undefined): TemplatePlace {
  return {
    file: property(templateKey(role)),
    containerName: property(`spark.kubernetes.${role}.podTemplateContainerName`)
  }
}

function expectSafe(place: ServerPlace, { allowPlaintext }: Overrides): ServerPlace {
  if (place.type === 'service' || allowPlaintext || !isPlaintext(place.url)) return place
  throw new Error(
    `credentials would cross the network readable to ${place.url.href}: use https or k8s://NAMESPACE/SERVICE, or say --allow-plaintext when the network between is yours alone`
  )
}

function podServerUrl(text: string): URL {
  const place = serverPlace(text)
  if (place.type === 'url') return place.url
  throw new Error('pods reach the server by http://HOST:PORT or https://HOST:PORT')
}

function expectImage(image: string | undefined): string {
  if (image !== undefined) return image
  throw new Error(
    `no init image is named: say --conf ${keys.initImage}=IMAGE or put it in spark-defaults.conf`
  )
}

function expectNamespace(namespace: string): string {
  if (isNamespace(namespace)) return namespace
  throw new Error(`${JSON.stringify(namespace)} is no namespace of Kubernetes`)
}
