import { type Cluster, KubeConfig } from '@kubernetes/client-node'
import { describe, usageError } from '../client-error.ts'
import type { ClusterOptions } from './cluster-options.ts'

/**
 * The configuration that kubectl would use (KUBECONFIG, `~/.kube/config`, a pod's own), with what the options replace, as
 * in Spark's client: its master URL and its credentials win over the kubeconfig's.
 *
 * @throws ClientError (usage) when there is no such context, or no cluster at all
 */
export function readKubeConfig({ apiServer, context, submission = {} }: ClusterOptions): KubeConfig {
  const config = new KubeConfig()
  try {
    config.loadFromDefault()
  } catch (cause) {
    // A boundary: what the library throws says which file, and what of it is wrong.
    throw usageError(`the kubeconfig cannot be used: ${(cause as Error).message}`, { cause })
  }
  if (context !== undefined) useContext(config, context)
  const cluster = config.getCurrentCluster()
  const server = apiServer ?? cluster?.server
  if (server === undefined) throw noCluster()
  const { caCertFile, ...given } = submission
  const authority = caCertFile === undefined ? {} : { caData: undefined, caFile: caCertFile }
  const user = { ...config.getCurrentUser(), ...userOf(given), name: 'user' }
  const asked = { skipTLSVerify: false, ...cluster, ...authority, name: 'cluster', server }
  const result = new KubeConfig()
  // A boundary: its types know no field that is there and undefined, which is how one is taken out.
  result.loadFromClusterAndUser(asked as Cluster, user)
  return result
}

function userOf(given: Omit<NonNullable<ClusterOptions['submission']>, 'caCertFile'>): object {
  const { clientCertFile, clientKeyFile, oauthTokenFile, oauthToken } = given
  return {
    ...(clientCertFile === undefined ? {} : { certData: undefined, certFile: clientCertFile }),
    ...(clientKeyFile === undefined ? {} : { keyData: undefined, keyFile: clientKeyFile }),
    ...(oauthToken === undefined ? {} : { token: oauthToken }),
    ...(oauthTokenFile === undefined
      ? {}
      : { authProvider: { name: 'tokenFile', config: { tokenFile: oauthTokenFile } } })
  }
}

function useContext(config: KubeConfig, context: string): void {
  if (config.getContextObject(context) === null) {
    const names = config.getContexts().map(({ name }) => name)
    throw usageError(
      describe(`the kubeconfig has no context ${JSON.stringify(context)}`, {
        expected: names.length === 0 ? 'a kubeconfig with contexts' : `one of ${names.join(', ')}`
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
