import type { Report } from '../shared/progress.ts'
import type { ServerOptions } from './http-client.ts'
import type { ClusterOptions } from './kubernetes/cluster-options.ts'
import type { ServerAddress, UploaderOptions } from './options.ts'
import { readAuthorities, readSecret } from './read-files.ts'
import { serverPlace } from './server-place.ts'
import { forwardTo, openRoute } from './server-route.ts'
import type { JobCluster } from './submit/job-cluster.ts'

/** How a cluster is opened, so that a test needs none. */
export type OpenCluster = (options: ClusterOptions) => Promise<JobCluster>

/** The client of Kubernetes, which takes longer to load than all the rest, only now that it is needed. */
export const openKubernetes: OpenCluster = async options =>
  (await import('./kubernetes/cluster.ts')).openCluster(options)

/** A server at an address that can be asked from here. */
export interface ServerWay {
  readonly url: URL
  /** The name that its certificate has to have, when that is not in `url`. */
  readonly servername?: string
  close(): Promise<void>
}

/** The way to a server for who has a token already. @throws ClientError when the cluster does not let this user through */
export async function openWay(
  { server, environment }: ServerAddress,
  note: (line: string) => void,
  signal: AbortSignal,
  openCluster: OpenCluster = openKubernetes
): Promise<ServerWay> {
  const place = serverPlace(server.href)
  if (place.type === 'url') return { url: server, close: async () => {} }
  return await forwardTo(await openCluster({ environment }), place, signal, note)
}

/**
 * How an uploader's command talks to its server, with what its files hold. Behind `k8s://` a port is forwarded, and a
 * service account of `namespace` proves who uploads, unless a file does.
 *
 * @throws ClientError when a file cannot be used, or the cluster does not let this user through
 */
export async function readServerOptions(
  options: UploaderOptions,
  namespace: string,
  report: Report,
  signal: AbortSignal,
  openCluster: OpenCluster = openKubernetes
): Promise<ServerOptions> {
  const { server, proxy, uploadTokenFile, caFile, giveUpMs, environment } = options
  const { note: onRetry } = report
  const place = serverPlace(server.href)
  if (place.type === 'service') {
    const account = { namespace, driverServiceAccount: 'default' }
    const cluster = await openCluster({ environment })
    const route = await openRoute(cluster, place, account, { ...options, note: onRetry }, signal)
    return { ...route.options, onRetry, onClose: route.close }
  }
  const uploadToken = uploadTokenFile && (await readSecret(uploadTokenFile, '--upload-token-file'))
  const ca = caFile && (await readAuthorities(caFile, '--ca-file'))
  return { url: server, proxy, uploadToken, ca, giveUpMs, onRetry }
}
