import type { Duplex } from 'node:stream'
import {
  type ConfigurationOptions,
  CoreV1Api,
  type KubeConfig,
  Observable,
  PatchStrategy,
  type V1Pod,
  type V1Secret,
  type V1Service,
  type V1ServicePort
} from '@kubernetes/client-node'
import { ClientError, describe } from '../client-error.ts'
import { type ApiRequest, apiFailure, isNotFound } from './api-failure.ts'
import type { ClusterOptions } from './cluster-options.ts'
import { readKubeConfig } from './kube-config.ts'
import { openPodStream, type PodPort } from './pod-stream.ts'
import { type Forward, forwardPort } from './port-forward.ts'
import { findPort, isReady, type ServicePlace, selectorOf, speaksHttps, targetPort } from './service-port.ts'
import { type PodList, watchPods } from './watch-pods.ts'

/** Something with a name in a namespace. */
export interface Named {
  readonly namespace: string
  readonly name: string
}

/** Which pods or Secrets. */
export interface Selection {
  readonly namespace: string
  readonly labelSelector: string
}

/** Where a forwarded port leads. */
export interface ForwardTarget extends ServicePlace {
  /** Told in words why a connection could not be made, or was cut; whoever made it only sees it closed. */
  readonly onFailure?: ((line: string) => void) | undefined
}

/** A forwarded port, and whether https is spoken there. */
export interface ServiceForward extends Forward {
  readonly isTls: boolean
}

/**
 * Kubernetes as far as submitting needs it. Every failure is a ClientError in words: which right is missing, what does not
 * exist, which API server is away.
 *
 * @throws ClientError (usage) without a usable kubeconfig
 */
export function openCluster(options: ClusterOptions): Cluster {
  return new Cluster(readKubeConfig(options))
}

/** An API server, asked by one user. */
export class Cluster {
  /** Its URL. */
  readonly apiServer: string
  readonly #config: KubeConfig
  readonly #core: CoreV1Api

  constructor(config: KubeConfig) {
    this.#config = config
    this.#core = config.makeApiClient(CoreV1Api)
    this.apiServer = String(config.getCurrentCluster()?.server)
  }

  /** A token of a service account for one audience, by the TokenRequest API. */
  async requestToken(
    request: {
      readonly namespace: string
      readonly serviceAccount: string
      readonly audience: string
      readonly seconds: number
    },
    signal: AbortSignal
  ): Promise<string> {
    const { namespace, serviceAccount: name, audience, seconds } = request
    const spec = { audiences: [audience], expirationSeconds: seconds }
    const instead = 'pass --upload-token-file'
    const asked = { verb: 'create', resource: 'serviceaccounts/token', namespace, name, instead }
    const { status } = await this.#ask(asked, signal, options =>
      this.#core.createNamespacedServiceAccountToken({ namespace, name, body: { spec } }, options)
    )
    if (status?.token) return status.token
    throw new ClientError('internal', `the API server ${this.apiServer} answered without a token`)
  }

  /** Makes a Secret with a download token. Nobody changes the token of one afterwards. */
  async createSecret(
    secret: Named & {
      readonly labels: Readonly<Record<string, string>>
      readonly annotations: Readonly<Record<string, string>>
      readonly token: string
    },
    signal: AbortSignal
  ): Promise<void> {
    const { namespace, name, labels, annotations, token } = secret
    const metadata = { name, labels: { ...labels }, annotations: { ...annotations } }
    const body = { metadata, type: 'Opaque', immutable: true, stringData: { token } }
    await this.#ask({ verb: 'create', resource: 'secrets', namespace, name }, signal, options =>
      this.#core.createNamespacedSecret({ namespace, body }, options)
    )
  }

  /** Lets a Secret go with a pod. */
  async ownSecretByPod(
    owned: Named & { readonly pod: { readonly name: string; readonly uid: string } },
    signal: AbortSignal
  ): Promise<void> {
    const { namespace, name, pod } = owned
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid }]
    await this.#ask({ verb: 'patch', resource: 'secrets', namespace, name }, signal, options =>
      this.#core.patchNamespacedSecret({ namespace, name, body: { metadata: { ownerReferences } } }, options)
    )
  }

  /** Removes a Secret; one that is gone already is fine. */
  async deleteSecret({ namespace, name }: Named, signal: AbortSignal): Promise<void> {
    await this.#ask({ verb: 'delete', resource: 'secrets', namespace, name }, signal, async options => {
      try {
        await this.#core.deleteNamespacedSecret({ namespace, name }, options)
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    })
  }

  async listSecrets(selection: Selection, signal: AbortSignal): Promise<readonly V1Secret[]> {
    const { namespace } = selection
    const { items } = await this.#ask({ verb: 'list', resource: 'secrets', namespace }, signal, options =>
      this.#core.listNamespacedSecret(selection, options)
    )
    return items
  }

  async listPods(selection: Selection, signal: AbortSignal): Promise<readonly V1Pod[]> {
    return (await this.#list(selection, signal)).pods
  }

  /** Tells of all selected pods, and of what happens to them, until `signal` aborts. */
  async watchPods(
    watched: Selection & { readonly onPod: (type: string, pod: V1Pod) => void },
    signal: AbortSignal
  ): Promise<void> {
    const { onPod, ...selection } = watched
    const list = () => this.#list(selection, signal)
    await watchPods({ ...selection, config: this.#config, list, onPod }, signal)
  }

  /**
   * Makes a port of this machine stand for one of a Service, until it is closed. A way is opened once before this
   * resolves, so that missing rights are found out now.
   */
  async forward(target: ForwardTarget, signal: AbortSignal): Promise<ServiceForward> {
    const { namespace, service: name, onFailure = () => {} } = target
    const asked = { verb: 'get', resource: 'services', namespace, name }
    const service = await this.#ask(asked, signal, options =>
      this.#core.readNamespacedService({ namespace, name }, options)
    )
    const port = findPort(service, target)
    const open = async (opening: AbortSignal): Promise<Duplex> => {
      const pod = await this.#findPod(service, port, target, opening)
      const way = { verb: 'get', resource: 'pods/portforward', namespace, name: pod.pod }
      return await this.#ask(way, opening, () => openPodStream(this.#config, pod, opening))
    }
    const first = await open(signal)
    first.destroy()
    const forward = await forwardPort(open, error => onFailure(error.message))
    return { ...forward, isTls: speaksHttps(port) }
  }

  async #findPod(
    service: V1Service,
    port: V1ServicePort,
    { namespace, service: name }: ForwardTarget,
    signal: AbortSignal
  ): Promise<PodPort> {
    const pods = await this.listPods({ namespace, labelSelector: selectorOf(service) }, signal)
    for (const pod of pods.filter(isReady)) {
      const number = targetPort(pod, port)
      if (number !== undefined) return { namespace, pod: String(pod.metadata?.name), port: number }
    }
    const todo = `Look at them: kubectl -n ${namespace} get pods -l ${selectorOf(service)}`
    const found = `${pods.length} pods, none of them ready`
    throw new ClientError(
      'gaveUp',
      describe(`no pod of Service ${namespace}/${name} is ready`, { found, todo })
    )
  }

  async #list({ namespace, labelSelector }: Selection, signal: AbortSignal): Promise<PodList> {
    const { items, metadata } = await this.#ask(
      { verb: 'list', resource: 'pods', namespace },
      signal,
      options => this.#core.listNamespacedPod({ namespace, labelSelector }, options)
    )
    return { pods: items, resourceVersion: metadata?.resourceVersion ?? '' }
  }

  async #ask<Answer>(
    request: ApiRequest,
    signal: AbortSignal,
    ask: (options: ConfigurationOptions) => Promise<Answer>
  ): Promise<Answer> {
    signal.throwIfAborted()
    try {
      return await ask(optionsFor(AbortSignal.any([signal, AbortSignal.timeout(askMs)])))
    } catch (error) {
      signal.throwIfAborted()
      throw apiFailure(error, request, this.apiServer)
    }
  }
}

/** How long one question may take. */
const askMs = 30_000

/** The client takes a signal and the kind of a patch by a hook into each request only. */
function optionsFor(signal: AbortSignal): ConfigurationOptions {
  return {
    middlewareMergeStrategy: 'append',
    middleware: [
      {
        pre: context => {
          context.setSignal(signal)
          if (context.getHttpMethod() === 'PATCH') {
            context.setHeaderParam('Content-Type', PatchStrategy.MergePatch)
          }
          return new Observable(Promise.resolve(context))
        },
        post: context => new Observable(Promise.resolve(context))
      }
    ]
  }
}
