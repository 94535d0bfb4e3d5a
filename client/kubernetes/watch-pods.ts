import { setTimeout as sleep } from 'node:timers/promises'
import { type KubeConfig, type V1Pod, Watch } from '@kubernetes/client-node'
import { backoffMs } from '../../shared/backoff.ts'

/** A list of pods, and the version from which a watch goes on. */
export interface PodList {
  readonly pods: readonly V1Pod[]
  readonly resourceVersion: string
}

/** What is watched, and by whom. */
export interface PodWatch {
  readonly config: KubeConfig
  readonly namespace: string
  readonly labelSelector: string
  readonly list: () => Promise<PodList>
  readonly onPod: (type: string, pod: V1Pod) => void
}

/**
 * Tells of all pods there are, and then of all that happens to them, until `signal` aborts. A watch that ends is begun
 * again with a list, so nothing is missed, and things may be told twice.
 *
 * @throws whatever the first list failed with: then there is nothing to watch
 */
export async function watchPods(watch: PodWatch, signal: AbortSignal): Promise<void> {
  let list: PodList | undefined = await watch.list()
  for (let failures = 0; !signal.aborted; ) {
    try {
      list ??= await watch.list()
      for (const pod of list.pods) watch.onPod('ADDED', pod)
      await watchFrom(watch, list.resourceVersion, signal)
      failures = 0
    } catch {
      // The API server may be away for a while; a list says then what was missed.
      failures += 1
    }
    list = undefined
    const pauseMs = backoffMs(failures + 1, firstPauseMs, longestPauseMs)
    await sleep(pauseMs, undefined, { signal }).catch(() => {})
  }
}

const firstPauseMs = 250
const longestPauseMs = 10_000

/** The client takes a watch that is quiet for 30 s for a broken one: it is asked to end before. */
const timeoutSeconds = 25

/** @throws Error when the watch did not end by itself */
async function watchFrom(watch: PodWatch, resourceVersion: string, signal: AbortSignal): Promise<void> {
  const { config, namespace, labelSelector, onPod } = watch
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onEvent = (type: string, object: V1Pod) => {
    if (type === 'ERROR') reject(new Error('the watch cannot go on from there'))
    else onPod(type, object)
  }
  const path = `/api/v1/namespaces/${namespace}/pods`
  const query = { labelSelector, resourceVersion, timeoutSeconds }
  const begun = new Watch(config).watch(path, query, onEvent, error => (error ? reject(error) : resolve()))
  begun.catch(reject)
  const stop = () => resolve()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', stop)
    // It may still be connecting, which nobody waits for.
    begun.then(
      controller => controller.abort(),
      () => {}
    )
  }
}
