import { certificateKubeconfig, writeKubeconfig } from './certificates.ts'
import * as containers from './container-runtime.ts'
import { sparkImage } from './images.ts'
import { givenKubeconfig, kubectl, ownKubeconfig } from './kubectl.ts'
import { inNamespace } from './network.ts'
import { isThere } from './once-cached.ts'
import { restartProcess, stopProcess } from './processes.ts'
import { type SparkVersion, unpackSpark } from './spark-homes.ts'
import { waitUntil } from './wait-until.ts'

/** A running cluster, as tests use it. */
export interface Cluster {
  /** The administrator's. */
  readonly kubeconfig: string
  /** As spark-submit wants it after `k8s://`. */
  readonly apiServer: string
  /** What a command begins with that is to reach the cluster; nothing for a cluster that is reached from anywhere. */
  readonly inNamespace: readonly string[]
  /** Whether the cluster is ours to break: {@link stopApiServer} works, and certificates of users are signed. */
  readonly isOwn: boolean
  /** The image that has this Spark. Pods must not pull it. */
  sparkImage(version: SparkVersion): string
  /** A SPARK_HOME on this machine, for spark-submit. */
  sparkHome(version: SparkVersion): Promise<string>
  /** Runs kubectl as the administrator. @returns what it printed @throws Error with what it complained of */
  kubectl(...args: readonly string[]): Promise<string>
  /** Gives pods an image that was built here, from an OCI archive. In a cluster of the user's own it has to be there. */
  importImage(archive: string, name: string): Promise<void>
  /** Ends the API server at once, which stays away until {@link startApiServer}. */
  stopApiServer(): Promise<void>
  /** Starts the API server again, and waits until it is ready; addresses of new Services follow at once. */
  startApiServer(): Promise<void>
  /** A kubeconfig of a user with a client certificate. Without a RoleBinding to it the user may do nothing. @returns its path */
  certificateUser(name: string, groups?: readonly string[]): Promise<string>
  /** A kubeconfig with a token of a service account, good for an hour. @returns its path */
  serviceAccountUser(namespace: string, name: string): Promise<string>
}

/** The cluster that `npm run cluster:up` started, or the one that KUBECONFIG names. @throws Error when there is none */
export async function useCluster(): Promise<Cluster> {
  if (givenKubeconfig === undefined && !(await isThere(ownKubeconfig))) {
    throw new Error('there is no cluster: run `npm run cluster:up`')
  }
  const server = await readConfig('{.clusters[0].cluster.server}')
  return {
    kubeconfig: givenKubeconfig ?? ownKubeconfig,
    apiServer: server,
    inNamespace: givenKubeconfig === undefined ? inNamespace : [],
    isOwn: givenKubeconfig === undefined,
    sparkImage,
    sparkHome: unpackSpark,
    kubectl,
    importImage: async (archive, name) => {
      if (givenKubeconfig === undefined) await containers.importImage(archive, name)
    },
    stopApiServer: async () => {
      refuseGiven('ends its API server')
      // Asked to end, it would serve its watches for a while.
      await stopProcess('kube-apiserver', ['SIGKILL'])
    },
    startApiServer: async () => {
      refuseGiven('starts its API server')
      await restartProcess('kube-apiserver')
      await waitUntil(
        'the API server is ready',
        90_000,
        async () => (await kubectl('get', '--raw', '/readyz')) === 'ok'
      )
      // By itself it asks again only after up to a minute, and until then a new Service has no address.
      await stopProcess('kube-proxy')
      await restartProcess('kube-proxy')
    },
    certificateUser: async (name, groups = []) => {
      refuseGiven('signs certificates of users')
      return await certificateKubeconfig(name, groups)
    },
    serviceAccountUser: async (namespace, name) => {
      const token = await kubectl('create', 'token', name, '--namespace', namespace, '--duration=1h')
      const authority = await readConfig('{.clusters[0].cluster.certificate-authority-data}')
      return await writeKubeconfig(`${namespace}-${name}`, server, authority || undefined, {
        token: token.trim()
      })
    }
  }
}

/** One value of the administrator's kubeconfig, for the context in use; empty when it has none. */
async function readConfig(path: string): Promise<string> {
  return await kubectl('config', 'view', '--raw', '--minify', '--flatten', '--output', `jsonpath=${path}`)
}

function refuseGiven(what: string): void {
  if (givenKubeconfig !== undefined) throw new Error(`nobody ${what} in a cluster of the user's own`)
}
