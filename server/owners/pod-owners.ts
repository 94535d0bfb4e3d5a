import Type from 'typebox'
import { Value } from 'typebox/value'
import type { Cluster } from '../identity/kubernetes-cluster.ts'
import type { OwnedBundle, OwnerState, Owners } from '../staging/owners.ts'
import { alivePods, bundleLabel, labelSelector, podsPath } from './pod-selector.ts'
import { type OwnerPod, type PodWatchOptions, watchPods } from './pod-watch.ts'

export interface PodOwnersOptions extends Pick<PodWatchOptions, 'cluster' | 'backoffMs'> {
  /** Where owners are looked after; undefined for all namespaces. */
  readonly namespaces: readonly string[] | undefined
  readonly graceMs: number
  readonly report: PodOwnersReport
}

/** Told of what the watches see. `namespace` is undefined for the one that watches all. */
export interface PodOwnersReport {
  /** The first pod of a bundle was seen, or its last one is not any more. */
  changed(namespace: string, bundleId: string): void
  connected(namespace: string | undefined): void
  /** Once for each reason in a row. */
  broken(namespace: string | undefined, error: Error): void
}

/** How many watches there are in which state, and how many bundles have living pods. */
export interface OwnerFigures {
  readonly syncedCount: number
  readonly brokenCount: number
  readonly ownersCount: number
}

/** One watch: of one namespace, or of all. */
interface NamespaceWatch {
  readonly namespace: string | undefined
  /** How many living pods each bundle has, by `namespace/id`. */
  readonly alive: Map<string, number>
  /** The bundle of each living pod, by `namespace/name`. */
  readonly pods: Map<string, string>
  isSynced: boolean
  trouble: string
  stop: () => Promise<void>
}

const PodList = Type.Object({
  kind: Type.Literal('PodList'),
  metadata: Type.Object({ continue: Type.Optional(Type.String()) }),
  items: Type.Array(Type.Unknown())
})

/**
 * Owners that are pods. A watch says which bundles have living ones. Where it has none, the API server is asked for now:
 * only its own complete answer makes an owner gone, never what a watch has not seen.
 */
export class PodOwners implements Owners {
  readonly graceMs: number
  readonly #options: PodOwnersOptions
  readonly #watches: ReadonlyMap<string | undefined, NamespaceWatch>
  /** Questions to the API server that are under way, by path. */
  readonly #questions = new Map<string, Promise<OwnerState>>()

  constructor(options: PodOwnersOptions) {
    this.graceMs = options.graceMs
    this.#options = options
    this.#watches = new Map(
      (options.namespaces ?? [undefined]).map(namespace => [namespace, newWatch(namespace)])
    )
  }

  /** Begins to watch; does not wait for any answer. */
  async start(): Promise<void> {
    for (const watch of this.#watches.values()) await this.#begin(watch)
  }

  async stateOf({ namespace, bundleId, ownerLabels }: OwnedBundle): Promise<OwnerState> {
    const watch = this.#watches.get(this.#options.namespaces === undefined ? undefined : namespace)
    if (watch === undefined) return 'unwatched'
    if (!watch.isSynced) return 'unknown'
    if (watch.alive.has(`${namespace}/${bundleId}`)) return 'alive'
    return this.#ask(namespace, ownerLabels ?? { [bundleLabel]: bundleId })
  }

  /** The bundles that have living pods. */
  *alive(): Generator<{ readonly namespace: string; readonly bundleId: string }> {
    for (const { alive } of this.#watches.values()) {
      for (const key of alive.keys()) {
        const [namespace = '', bundleId = ''] = key.split('/')
        yield { namespace, bundleId }
      }
    }
  }

  get figures(): OwnerFigures {
    const watches = [...this.#watches.values()]
    const syncedCount = watches.filter(({ isSynced }) => isSynced).length
    const ownersCount = watches.reduce((sum, { alive }) => sum + alive.size, 0)
    return { syncedCount, brokenCount: watches.length - syncedCount, ownersCount }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#watches.values()].map(watch => watch.stop()))
  }

  async #begin(watch: NamespaceWatch): Promise<void> {
    const { cluster, backoffMs, report } = this.#options
    const { namespace } = watch
    const options = { cluster, namespace, ...(backoffMs === undefined ? {} : { backoffMs }) }
    watch.stop = await watchPods(options, {
      listed: pods => this.#replace(watch, pods),
      appeared: pod => this.#add(watch, pod),
      ended: pod => {
        const bundle = watch.pods.get(podKey(pod))
        if (bundle !== undefined) this.#remove(watch, podKey(pod), bundle)
      },
      connected: () => {
        if (!watch.isSynced) report.connected(namespace)
        watch.isSynced = true
        watch.trouble = ''
      },
      broken: error => {
        watch.isSynced = false
        if (watch.trouble !== error.message) report.broken(namespace, error)
        watch.trouble = error.message
      }
    })
  }

  #replace(watch: NamespaceWatch, pods: readonly OwnerPod[]): void {
    const listed = new Set(pods.map(podKey))
    for (const [pod, bundle] of watch.pods) if (!listed.has(pod)) this.#remove(watch, pod, bundle)
    for (const pod of pods) this.#add(watch, pod)
  }

  #add(watch: NamespaceWatch, pod: OwnerPod): void {
    const key = podKey(pod)
    const bundle = `${pod.namespace}/${pod.bundleId}`
    const before = watch.pods.get(key)
    if (before === bundle) return
    if (before !== undefined) this.#remove(watch, key, before)
    const count = aliveCount(watch, bundle)
    watch.pods.set(key, bundle)
    watch.alive.set(bundle, count + 1)
    if (count === 0) this.#tell(bundle)
  }

  #remove(watch: NamespaceWatch, pod: string, bundle: string): void {
    watch.pods.delete(pod)
    const count = aliveCount(watch, bundle)
    if (count > 1) {
      watch.alive.set(bundle, count - 1)
      return
    }
    watch.alive.delete(bundle)
    this.#tell(bundle)
  }

  #tell(key: string): void {
    const [namespace = '', bundleId = ''] = key.split('/')
    this.#options.report.changed(namespace, bundleId)
  }

  /** Asks for one living pod. The API server answers this from its store, not from what one of its caches has seen. */
  #ask(namespace: string, labels: Readonly<Record<string, string>>): Promise<OwnerState> {
    const query = new URLSearchParams({ labelSelector: labelSelector(labels), fieldSelector: alivePods })
    const path = `${podsPath(namespace)}?${query}&limit=1`
    const running = this.#questions.get(path)
    if (running !== undefined) return running
    const asked = askForPods(this.#options.cluster, path).finally(() => this.#questions.delete(path))
    this.#questions.set(path, asked)
    return asked
  }
}

function aliveCount({ alive }: NamespaceWatch, bundle: string): number {
  return alive.get(bundle) ?? 0
}

function podKey({ namespace, name }: OwnerPod): string {
  return `${namespace}/${name}`
}

function newWatch(namespace: string | undefined): NamespaceWatch {
  return { namespace, alive: new Map(), pods: new Map(), isSynced: false, trouble: '', stop: async () => {} }
}

async function askForPods(cluster: Cluster, path: string): Promise<OwnerState> {
  try {
    const { status, body } = await cluster.ask(path)
    if (status !== 200 || !Value.Check(PodList, body)) return 'unknown'
    if (body.items.length > 0) return 'alive'
    // Nothing on this page is not nothing.
    return (body.metadata.continue ?? '') === '' ? 'gone' : 'unknown'
  } catch {
    // Why the API server cannot be asked, its watch says as well.
    return 'unknown'
  }
}
