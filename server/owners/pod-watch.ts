import { setTimeout } from 'node:timers/promises'
import type { KubernetesListObject, KubernetesObject, Watch } from '@kubernetes/client-node'
import { secondMs } from '../../shared/units.ts'
import type { Cluster } from '../identity/kubernetes-cluster.ts'
import { alivePods, bundleLabel, podsPath } from './pod-selector.ts'

/** A pod that has not come to its end, and the bundle that it is labelled with. */
export interface OwnerPod {
  readonly namespace: string
  readonly name: string
  readonly bundleId: string
}

/** Told of what a watch sees. */
export interface PodWatchReport {
  /** These are all that live now. */
  listed(pods: readonly OwnerPod[]): void
  /** It is new, or has changed. */
  appeared(pod: OwnerPod): void
  ended(pod: OwnerPod): void
  /** The API server has taken the watch up. */
  connected(): void
  /** The watch is over, and will be tried again. */
  broken(error: Error): void
}

export interface PodWatchOptions {
  readonly cluster: Cluster
  /** Undefined for all namespaces. */
  readonly namespace: string | undefined
  /** The first wait before another try, doubled each time until the second number. Milliseconds. */
  readonly backoffMs?: readonly [firstMs: number, longestMs: number]
  /** A watch that says nothing for so long is taken up anew. Milliseconds. */
  readonly silenceMs?: number
}

/** What is kept of a pod. */
interface SlimPod extends KubernetesObject {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly resourceVersion: string
    readonly labels: { readonly [bundleLabel]: string }
  }
}

/** A page of a list, as JSON. */
interface PodPage {
  readonly metadata: { readonly continue?: string; readonly resourceVersion: string }
  readonly items: readonly unknown[]
}

/** Pods are read so many at a time, because each comes whole. */
const pageSize = 500

/** A page of whole pods may take its time. */
const listTimeoutMs = 30 * secondMs

/**
 * Watches the living pods that are labelled with a bundle: a list, then what changes, then again a list when the API
 * server has lost the thread or anything failed. Of each pod only its name, its namespace and its label are kept.
 *
 * @returns ends the watch
 */
export async function watchPods(
  options: PodWatchOptions,
  report: PodWatchReport
): Promise<() => Promise<void>> {
  const watch = new PodWatch(await import('@kubernetes/client-node'), options, report)
  watch.start()
  return () => watch.stop()
}

class PodWatch {
  readonly #client: typeof import('@kubernetes/client-node')
  readonly #cluster: Cluster
  readonly #namespace: string | undefined
  readonly #backoffMs: readonly [firstMs: number, longestMs: number]
  readonly #silenceMs: number
  readonly #report: PodWatchReport
  readonly #stop = new AbortController()
  #running: { stop(): Promise<void> } | undefined
  #failuresCount = 0

  constructor(
    client: typeof import('@kubernetes/client-node'),
    { cluster, namespace, backoffMs = [secondMs, 30 * secondMs], silenceMs = 30 * secondMs }: PodWatchOptions,
    report: PodWatchReport
  ) {
    this.#client = client
    this.#cluster = cluster
    this.#namespace = namespace
    this.#backoffMs = backoffMs
    this.#silenceMs = silenceMs
    this.#report = report
  }

  start(): void {
    const informer = new this.#client.ListWatch<SlimPod>(
      podsPath(this.#namespace),
      this.#createWatch(),
      () => this.#list(),
      false,
      bundleLabel,
      alivePods,
      { delayFn: ms => this.#wait(ms) }
    )
    informer.on('add', pod => this.#report.appeared(ownerPodOf(pod)))
    informer.on('update', pod => this.#report.appeared(ownerPodOf(pod)))
    informer.on('delete', pod => this.#report.ended(ownerPodOf(pod)))
    informer.on('error', error => void this.#retry(informer, error as Error))
    this.#running = informer
    void informer.start()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running?.stop()
  }

  async #list(): Promise<KubernetesListObject<SlimPod>> {
    const found = await listPods(this.#cluster, this.#namespace)
    this.#report.listed(found.items.map(ownerPodOf))
    return found
  }

  /** The watch of the Kubernetes client, which must neither throw nor keep more of a pod than it has to. */
  #createWatch(): Watch {
    const watch = new this.#client.Watch(this.#cluster.kubeConfig)
    // A boundary: private to the types, and the only way to say so.
    Reflect.set(watch, 'requestTimeoutMs', this.#silenceMs)
    const begin = watch.watch.bind(watch)
    watch.watch = async (path, query, onEvent, onDone) => {
      let isConnected = false
      let isOver = false
      const finish = (error?: unknown) => {
        isOver = true
        // To the client a silence is nothing to speak of, even when it is all that there ever was.
        onDone(isSilence(error) && !isConnected ? new Error('no answer in time') : error)
      }
      const onLine = (type: string, object: unknown) => {
        if (type === 'ERROR' && codeOf(object) !== 410) finish(statusError(object))
        else onEvent(type, type === 'ERROR' ? object : slimmed(object))
      }
      const request = await begin(path, { ...query, allowWatchBookmarks: true }, onLine, finish).catch(
        (error: unknown) => {
          finish(error)
          return new AbortController()
        }
      )
      isConnected = !isOver
      if (this.#stop.signal.aborted) request.abort()
      else if (isConnected) this.#connected()
      return request
    }
    return watch
  }

  #connected(): void {
    this.#failuresCount = 0
    this.#report.connected()
  }

  /** A new one, which begins with a list: what the old one knew may be of another time. */
  async #retry(failed: { stop(): Promise<void> }, error: Error): Promise<void> {
    if (this.#stop.signal.aborted || this.#running !== failed) return
    this.#running = undefined
    await failed.stop()
    this.#report.broken(error)
    const [firstMs, longestMs] = this.#backoffMs
    const delayMs = Math.min(longestMs, firstMs * 2 ** this.#failuresCount)
    this.#failuresCount += 1
    await this.#wait(delayMs)
    if (!this.#stop.signal.aborted) this.start()
  }

  /** Between half of a time and all of it, or until this ends; keeps no process alive. */
  #wait(ms: number): Promise<void> {
    const options = { signal: this.#stop.signal, ref: false }
    return setTimeout((ms * (1 + Math.random())) / 2, undefined, options).catch(() => {})
  }
}

/** All pods of a list, page by page, each cut down to what counts. @throws Error when one page cannot be had */
async function listPods(
  cluster: Cluster,
  namespace: string | undefined
): Promise<KubernetesListObject<SlimPod>> {
  const items: SlimPod[] = []
  let next = ''
  while (true) {
    const query = new URLSearchParams({ labelSelector: bundleLabel, fieldSelector: alivePods })
    query.set('limit', String(pageSize))
    if (next !== '') query.set('continue', next)
    const { status, body } = await cluster.ask(`${podsPath(namespace)}?${query}`, undefined, listTimeoutMs)
    if (status !== 200) throw statusError(body, status)
    // A boundary: with 200 the API server answers with a list of pods; where it does not, this throws.
    const { items: page, metadata } = body as PodPage
    for (const pod of page) items.push(slimmed(pod))
    next = metadata.continue ?? ''
    if (next === '') return { metadata, items }
  }
}

/** @throws TypeError when it has no metadata, which every object of the API server has */
function slimmed(object: unknown): SlimPod {
  // A boundary: the selector has chosen pods with this label. Bookmarks have neither name nor label, and nobody asks.
  const { metadata } = object as SlimPod
  const { name, namespace, resourceVersion, labels } = metadata
  return {
    metadata: { name, namespace, resourceVersion, labels: { [bundleLabel]: labels?.[bundleLabel] } }
  } as SlimPod
}

function ownerPodOf({ metadata: { name, namespace, labels } }: SlimPod): OwnerPod {
  return { name, namespace, bundleId: labels[bundleLabel] }
}

function isSilence(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}

function codeOf(status: unknown): unknown {
  return Object(status).code
}

/** What a Status of the API server says, which is where it names the right that is missing. */
function statusError(status: unknown, code: unknown = codeOf(status)): Error {
  const { message } = Object(status)
  return new Error(`the API server answered ${code}${typeof message === 'string' ? `: ${message}` : ''}`)
}
