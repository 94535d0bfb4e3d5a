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
      await sleep(backoffMs(failures, firstPauseMs, longestPauseMs), undefined, { signal }).catch(() => {})
    }
    list = undefined
  }
}

const firstPauseMs = 250
const longestPauseMs = 10_000

async function watchFrom(watch: PodWatch, resourceVersion: string, signal: AbortSignal): Promise<void> {
  const { config, namespace, labelSelector, onPod } = watch
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const controller = await new Watch(config).watch(
    `/api/v1/namespaces/${namespace}/pods`,
    { labelSelector, resourceVersion },
    (type: string, object: V1Pod) =>
      type === 'ERROR' ? reject(new Error('watch ended')) : onPod(type, object),
    error => (error ? reject(error) : resolve())
  )
  const stop = () => controller.abort()
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}
