import type { ServerOptions } from './http-client.ts'
import { proxyFor } from './proxy.ts'
import { readAuthorities, readSecret } from './read-files.ts'
import { inCluster, type ServerPlace } from './server-place.ts'
import type { JobCluster } from './submit/job-cluster.ts'
import { lastingCredential } from './upload-credential.ts'

/** How our own options say to talk to the server. */
export interface RouteOptions {
  readonly caFile?: string | undefined
  readonly uploadTokenFile?: string | undefined
  /** Whose token is asked for when no file has a credential; absent: only behind `k8s://`, the driver's. */
  readonly serviceAccount?: string | undefined
  readonly audience: string
  readonly giveUpMs: number
  readonly environment: NodeJS.ProcessEnv
  /** Told why a forwarded connection failed, which the HTTP client only sees closed. */
  readonly note?: ((line: string) => void) | undefined
}

/** Where uploads go, with a credential for them. */
export interface UploadAccount {
  readonly namespace: string
  readonly driverServiceAccount: string
}

/** A server that can be asked from here, and as its cluster's pods reach it. */
export interface ServerRoute {
  readonly options: Omit<ServerOptions, 'onRetry'>
  /** PEM text of the only authorities to trust. */
  readonly authorities?: string | undefined
  readonly inCluster: URL
  close(): Promise<void>
}

/**
 * Opens the way to a server, through the API server if it is named by its Service.
 *
 * @throws ClientError
 */
export async function openRoute(
  cluster: JobCluster,
  place: ServerPlace,
  account: UploadAccount,
  options: RouteOptions,
  signal: AbortSignal
): Promise<ServerRoute> {
  const authorities = options.caFile && (await readAuthorities(options.caFile, '--ca-file'))
  const uploadToken = await readCredential(cluster, place, account, options, signal)
  const rest = { uploadToken, ca: authorities, giveUpMs: options.giveUpMs }
  if (place.type === 'url') {
    const { url } = place
    const proxy = proxyFor(url, options.environment)
    return { options: { url, proxy, ...rest }, authorities, inCluster: url, close: async () => {} }
  }
  const { isTls, close, ...way } = await forwardTo(cluster, place, signal, options.note)
  return { options: { ...way, ...rest }, authorities, inCluster: inCluster(place, isTls), close }
}

/** A Service at an address of this machine. */
export interface ServiceWay {
  readonly url: URL
  /** The name that its certificate has to have. */
  readonly servername: string
  readonly isTls: boolean
  close(): Promise<void>
}

/** Makes a Service an address of this machine. @throws ClientError */
export async function forwardTo(
  cluster: Pick<JobCluster, 'forward'>,
  { namespace, service, port }: ServerPlace & { readonly type: 'service' },
  signal: AbortSignal,
  onFailure?: (line: string) => void
): Promise<ServiceWay> {
  const target = { namespace, service, onFailure, ...(port === undefined ? {} : { port }) }
  const forward = await cluster.forward(target, signal)
  return {
    url: new URL(`${forward.isTls ? 'https' : 'http'}://127.0.0.1:${forward.port}`),
    // The certificate is the Service's, whatever the address here.
    servername: `${service}.${namespace}.svc`,
    isTls: forward.isTls,
    close: () => forward.close()
  }
}

async function readCredential(
  cluster: JobCluster,
  place: ServerPlace,
  { namespace, driverServiceAccount }: UploadAccount,
  { uploadTokenFile, serviceAccount, audience }: RouteOptions,
  signal: AbortSignal
): Promise<ServerOptions['uploadToken']> {
  if (uploadTokenFile !== undefined) return readSecret(uploadTokenFile, '--upload-token-file')
  if (place.type === 'url' && serviceAccount === undefined) return undefined
  const asked = { namespace, serviceAccount: serviceAccount ?? driverServiceAccount, audience }
  return await lastingCredential(seconds => cluster.requestToken({ ...asked, seconds }, signal))
}
