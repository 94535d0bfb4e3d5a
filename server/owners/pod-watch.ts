import { setTimeout } from 'node:timers/promises'
import type { KubernetesListObject, KubernetesObject } from '@kubernetes/client-node'
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
  { cluster, namespace, backoffMs = [secondMs, 30 * secondMs], silenceMs = 30 * secondMs }: PodWatchOptions,
  report: PodWatchReport
): Promise<() => Promise<void>> {
  const { ListWatch, Watch } = await import('@kubernetes/client-node')
  const stop = new AbortController()
  let running: { stop(): Promise<void> } | undefined
  let failuresCount = 0

  const list = async (): Promise<KubernetesListObject<SlimPod>> => {
    const found = await listPods(cluster, namespace)
    report.listed(found.items.map(ownerPodOf))
    return found
  }

  /** The watch of the Kubernetes client, which must neither throw nor keep more of a pod than it has to. */
  const createWatch = () => {
    const watch = new Watch(cluster.kubeConfig)
    // A boundary: private to the types, and the only way to say so.
    Reflect.set(watch, 'requestTimeoutMs', silenceMs)
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
      if (stop.signal.aborted) request.abort()
      else if (isConnected) {
        failuresCount = 0
        report.connected()
      }
      return request
    }
    return watch
  }

  const start = () => {
    const informer = new ListWatch<SlimPod>(
      podsPath(namespace),
      createWatch(),
      list,
      false,
      bundleLabel,
      alivePods,
      { delayFn: ms => wait((ms * (1 + Math.random())) / 2, stop.signal) }
    )
    informer.on('add', pod => report.appeared(ownerPodOf(pod)))
    informer.on('update', pod => report.appeared(ownerPodOf(pod)))
    informer.on('delete', pod => report.ended(ownerPodOf(pod)))
    informer.on('error', error => void retry(informer, error as Error))
    running = informer
    void informer.start()
  }

  /** A new one, which begins with a list: what the old one knew may be of another time. */
  const retry = async (failed: { stop(): Promise<void> }, error: Error) => {
    if (stop.signal.aborted || running !== failed) return
    running = undefined
    await failed.stop()
    report.broken(error)
    const [firstMs, longestMs] = backoffMs
    const delayMs = Math.min(longestMs, firstMs * 2 ** failuresCount)
    failuresCount += 1
    await wait((delayMs * (1 + Math.random())) / 2, stop.signal)
    if (!stop.signal.aborted) start()
  }

  start()
  return async () => {
    stop.abort()
    await running?.stop()
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

/** Resolves after a time, or at once when `signal` aborts; keeps no process alive. */
function wait(ms: number, signal: AbortSignal): Promise<void> {
  return setTimeout(ms, undefined, { signal, ref: false }).catch(() => {})
}
