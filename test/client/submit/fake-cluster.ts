import { ClientError } from '../../../client/client-error.ts'
import type { JobCluster, JobPod, JobSecret } from '../../../client/submit/job-cluster.ts'

/** What a fake cluster is asked to do. */
export type ClusterVerb = keyof JobCluster

/** A Secret as it was made. */
export interface FakeSecret {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly token: string
  readonly owner?: { readonly name: string; readonly uid: string }
}

/** A cluster in memory. What happens in it is told to whoever watches at once. */
export class FakeCluster implements JobCluster {
  readonly secrets = new Map<string, FakeSecret>()
  readonly pods = new Map<string, JobPod>()
  readonly calls: { readonly verb: ClusterVerb; readonly request: unknown }[] = []
  /** How often each verb fails before it works; `Infinity` for ever. */
  readonly failures = new Map<ClusterVerb, number>()
  /** Called at the beginning of each verb. */
  onCall: (verb: ClusterVerb) => void = () => {}
  /** Where {@link forward} leads. */
  forwardTo = { port: 0, isTls: false }
  openForwards = 0
  openWatches = 0
  readonly #watchers = new Set<(type: string, pod: JobPod) => void>()

  /** Makes or changes a pod. */
  setPod(pod: JobPod): void {
    const name = pod.metadata?.name ?? ''
    const type = this.pods.has(name) ? 'MODIFIED' : 'ADDED'
    this.pods.set(name, pod)
    for (const onPod of this.#watchers) onPod(type, pod)
  }

  deletePod(name: string): void {
    const pod = this.pods.get(name)
    this.pods.delete(name)
    if (pod !== undefined) for (const onPod of this.#watchers) onPod('DELETED', pod)
  }

  async requestToken(request: Parameters<JobCluster['requestToken']>[0]): Promise<string> {
    this.#begin('requestToken', request)
    return 'token-of-the-service-account'
  }

  async createSecret(secret: FakeSecret): Promise<void> {
    this.#begin('createSecret', secret)
    this.secrets.set(secret.name, secret)
  }

  async ownSecretByPod({ name, pod }: Parameters<JobCluster['ownSecretByPod']>[0]): Promise<void> {
    this.#begin('ownSecretByPod', { name, pod })
    const secret = this.secrets.get(name)
    if (secret === undefined) throw new ClientError('refused', `no Secret ${name}`)
    this.secrets.set(name, { ...secret, owner: pod })
  }

  async deleteSecret({ name }: Parameters<JobCluster['deleteSecret']>[0]): Promise<void> {
    this.#begin('deleteSecret', { name })
    this.secrets.delete(name)
  }

  async listSecrets(selection: Parameters<JobCluster['listSecrets']>[0]): Promise<readonly JobSecret[]> {
    this.#begin('listSecrets', selection)
    return [...this.secrets.values()].map(({ name, labels, annotations, owner }) => ({
      metadata: { name, labels, annotations, ownerReferences: owner === undefined ? [] : [owner] }
    }))
  }

  async listPods(selection: Parameters<JobCluster['listPods']>[0]): Promise<readonly JobPod[]> {
    this.#begin('listPods', selection)
    return [...this.pods.values()]
  }

  async watchPods({ onPod, ...selection }: Parameters<JobCluster['watchPods']>[0], signal: AbortSignal) {
    this.#begin('watchPods', selection)
    this.#watchers.add(onPod)
    this.openWatches += 1
    for (const pod of this.pods.values()) onPod('ADDED', pod)
    if (!signal.aborted) {
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
    }
    this.#watchers.delete(onPod)
    this.openWatches -= 1
  }

  async forward(target: Parameters<JobCluster['forward']>[0]) {
    this.#begin('forward', target)
    this.openForwards += 1
    const close = async () => {
      this.openForwards -= 1
    }
    return { ...this.forwardTo, close }
  }

  #begin(verb: ClusterVerb, request: unknown): void {
    this.calls.push({ verb, request })
    this.onCall(verb)
    const left = this.failures.get(verb) ?? 0
    if (left === 0) return
    this.failures.set(verb, left - 1)
    throw new ClientError('refused', `cannot ${verb}`)
  }
}

/** A pod with Spark's labels. */
export function sparkPod(role: 'driver' | 'executor', name: string, status: JobPod['status'] = {}): JobPod {
  return { metadata: { name, uid: `uid-of-${name}`, labels: { 'spark-role': role } }, status }
}
