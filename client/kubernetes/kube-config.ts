import { type Cluster, KubeConfig, type User } from '@kubernetes/client-node'
import { isPlaintext } from '../../shared/loopback.ts'
import { describe, usageError } from '../client-error.ts'
import { proxyFor } from '../proxy.ts'
import type { ClusterOptions } from './cluster-options.ts'

/**
 * The configuration that kubectl would use (KUBECONFIG, `~/.kube/config`, a pod's own), with what the options replace, as
 * in Spark's client: its master URL and its credentials win over the kubeconfig's.
 *
 * @throws ClientError (usage) when there is no such context, or no cluster at all
 */
export function readKubeConfig(options: ClusterOptions): KubeConfig {
  const { apiServer, context, submission = {}, environment = {} } = options
  const config = loadConfig()
  if (context !== undefined) useContext(config, context)
  const known = isFallback(config) ? null : config.getCurrentCluster()
  const server = (apiServer ?? known?.server)?.replace(/\/+$/, '')
  if (server === undefined) throw noCluster()
  const url = parseApiServer(server)
  const { caCertFile, ...given } = submission
  const authority = caCertFile === undefined ? {} : { caData: undefined, caFile: caCertFile }
  const proxy = proxyFor(url, environment)?.href
  const cluster = {
    ...known,
    ...authority,
    proxyUrl: known?.proxyUrl ?? proxy,
    name: 'cluster',
    server,
    // Plain http has nothing to verify; the client wants to hear it.
    skipTLSVerify: url.protocol === 'http:' || known?.skipTLSVerify === true
  }
  const result = new KubeConfig()
  // A boundary: its types know no field that is there and undefined, which is how one is taken out.
  result.loadFromClusterAndUser(cluster as Cluster, userOf(config.getCurrentUser(), given))
  return result
}

function loadConfig(): KubeConfig {
  const config = new KubeConfig()
  try {
    config.loadFromDefault()
  } catch (cause) {
    // A boundary: what the library throws says which file, and what of it is wrong.
    throw usageError(`the kubeconfig cannot be used: ${(cause as Error).message}`, { cause })
  }
  return config
}

/** Whether the library found nothing and guesses `http://localhost:8080`. */
function isFallback(config: KubeConfig): boolean {
  const server = config.getCurrentCluster()?.server
  return config.getCurrentContext() === 'loaded-context' && server === 'http://localhost:8080'
}

function parseApiServer(text: string): URL {
  const url = URL.parse(text)
  const what = `the API server ${JSON.stringify(text)} cannot be used`
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw usageError(describe(what, { expected: 'https://HOST:PORT, or http to a loopback address' }))
  }
  if (!isPlaintext(url)) return url
  const expected = 'https, or http to a loopback address'
  throw usageError(describe(what, { expected, found: 'credentials would cross the network readable' }))
}

/** The user, with what is given in place of what the kubeconfig has of the same purpose. */
function userOf(
  known: User | null,
  { clientCertFile, clientKeyFile, oauthTokenFile, oauthToken }: ClusterOptions['submission'] & {}
): User {
  const tokenFile = oauthTokenFile && { name: 'tokenFile', config: { tokenFile: oauthTokenFile } }
  const saysToken = oauthToken !== undefined || oauthTokenFile !== undefined
  const user = {
    ...known,
    ...(clientCertFile === undefined ? {} : { certData: undefined, certFile: clientCertFile }),
    ...(clientKeyFile === undefined ? {} : { keyData: undefined, keyFile: clientKeyFile }),
    ...(saysToken ? { exec: undefined, token: oauthToken, authProvider: tokenFile } : {}),
    name: 'user'
  }
  // A boundary, as above.
  return user as User
}

function useContext(config: KubeConfig, context: string): void {
  if (config.getContextObject(context) === null) {
    const names = config.getContexts().map(({ name }) => name)
    throw usageError(
      describe(`the kubeconfig has no context ${JSON.stringify(context)}`, {
        expected: isFallback(config) ? 'a kubeconfig with contexts' : `one of ${names.join(', ')}`
      })
    )
  }
  config.setCurrentContext(context)
}

function noCluster(): Error {
  return usageError(
    describe('there is no cluster to ask', {
      expected: 'a kubeconfig, or --master k8s://https://HOST:PORT',
      found: 'neither',
      todo: 'Set KUBECONFIG, or choose a context: kubectl config use-context NAME.'
    })
  )
}
