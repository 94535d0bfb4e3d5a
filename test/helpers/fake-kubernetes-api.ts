import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { type Cluster, openCluster } from '../../server/identity/kubernetes-cluster.ts'

/** Whose a token is, and what it is for. */
export interface FakeToken {
  readonly username: string
  readonly audiences: readonly string[]
  /** Where its holder may create pods. */
  readonly namespaces: readonly string[]
}

/** A pod of the fake cluster. */
export interface FakePod {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly phase?: string
}

/** A question that the fake was asked. */
export interface Question {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: string
}

/** What a question is answered with in place of the truth; `cut` ends the connection, `hang` never answers. */
export type Disturbance = 'cut' | 'hang' | { readonly status: number; readonly body: unknown }

interface Watcher {
  readonly response: ServerResponse
  readonly matches: (pod: FakePod) => boolean
}

/** As much of an API server as the server asks: TokenReview, SubjectAccessReview, and pods to list and to watch. */
export class FakeKubernetesApi {
  readonly tokens = new Map<string, FakeToken>()
  readonly questions: Question[] = []
  /** Asked before each answer. */
  disturb: (question: Question) => Disturbance | undefined = () => undefined
  readonly #pods = new Map<string, FakePod & { readonly version: number }>()
  readonly #watchers = new Set<Watcher>()
  readonly #server = createServer((request, response) => void this.#answer(request, response))
  /** As in etcd, no two changes have the same. */
  #version = 100
  /** Changes before this one are forgotten. */
  #oldestVersion = 0
  #port = 0

  static async start(t: Test): Promise<FakeKubernetesApi> {
    const api = new FakeKubernetesApi()
    await api.listen(0)
    t.teardown(() => api.close())
    return api
  }

  /** Listens, on the same port as before when it is given. */
  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1')
    await once(this.#server, 'listening')
    // A boundary: it listens on a port, not on a socket file.
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Stops as a process does: nobody is connected any more, and nobody can be. */
  async close(): Promise<void> {
    this.#watchers.clear()
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  /** Where it listens, or did. */
  get port(): number {
    return this.#port
  }

  get kubeconfig(): string {
    return JSON.stringify({
      'current-context': 'fake',
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'fake' } }],
      clusters: [
        {
          name: 'fake',
          cluster: { server: `http://127.0.0.1:${this.port}`, 'insecure-skip-tls-verify': true }
        }
      ],
      users: [{ name: 'fake', user: { token: 'server-token' } }]
    })
  }

  cluster(): Promise<Cluster> {
    return openCluster(this.kubeconfig)
  }

  get watchersCount(): number {
    return this.#watchers.size
  }

  /** Creates a pod, or changes it. */
  setPod(pod: FakePod): void {
    this.#version += 1
    const key = `${pod.namespace}/${pod.name}`
    const before = this.#pods.get(key)
    const now = { ...pod, version: this.#version }
    this.#pods.set(key, now)
    for (const { response, matches } of this.#watchers) {
      const was = before !== undefined && matches(before)
      const type = matches(now) ? (was ? 'MODIFIED' : 'ADDED') : was ? 'DELETED' : undefined
      if (type !== undefined) send(response, { type, object: podObject(now) })
    }
  }

  deletePod(namespace: string, name: string): void {
    const pod = this.#pods.get(`${namespace}/${name}`)
    if (pod === undefined) return
    this.#version += 1
    this.#pods.delete(`${namespace}/${name}`)
    const object = podObject({ ...pod, version: this.#version })
    for (const { response, matches } of this.#watchers)
      if (matches(pod)) send(response, { type: 'DELETED', object })
  }

  /** Ends all watches, cleanly as after their time. */
  endWatches(): void {
    for (const { response } of this.#watchers) response.end()
  }

  /** Cuts the connections of all watches. */
  cutWatches(): void {
    for (const { response } of this.#watchers) response.destroy()
  }

  /** Forgets all changes so far: who has not seen them must list again. */
  forgetChanges(): void {
    this.#version += 1
    this.#oldestVersion = this.#version
  }

  /** Tells all watches something. */
  tell(event: object): void {
    for (const { response } of this.#watchers) send(response, event)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://fake')
    let body = ''
    for await (const chunk of request) body += chunk
    const question = { method: request.method ?? '', path: url.pathname, query: url.searchParams, body }
    this.questions.push(question)
    const disturbance = this.disturb(question)
    if (disturbance === 'hang') return
    if (disturbance === 'cut') return void response.destroy()
    if (disturbance !== undefined) return json(response, disturbance.status, disturbance.body)
    if (question.path.endsWith('/tokenreviews')) return this.#reviewToken(question, response)
    if (question.path.endsWith('/subjectaccessreviews')) return this.#reviewAccess(question, response)
    const namespace = /^\/api\/v1(?:\/namespaces\/([^/]+))?\/pods$/.exec(question.path)
    if (namespace === null) return json(response, 404, { kind: 'Status', code: 404 })
    const matches = matcher(namespace[1], question.query)
    if (question.query.get('watch') === 'true') this.#watch(question.query, response, matches)
    else this.#list(question.query, response, matches)
  }

  #reviewToken({ body }: Question, response: ServerResponse): void {
    const { spec } = JSON.parse(body)
    const token = this.tokens.get(spec.token)
    const audiences = token?.audiences.filter(audience => spec.audiences.includes(audience)) ?? []
    const status =
      token === undefined || audiences.length === 0
        ? { user: {}, error: 'invalid bearer token' }
        : {
            authenticated: true,
            audiences,
            user: { username: token.username, uid: 'u-1', groups: ['g'], extra: { 'a/b': ['c'] } }
          }
    // As the real one does, with what was asked.
    json(response, 201, { kind: 'TokenReview', spec, status })
  }

  #reviewAccess({ body }: Question, response: ServerResponse): void {
    const { spec } = JSON.parse(body)
    const token = [...this.tokens.values()].find(({ username }) => username === spec.user)
    const { verb, resource, namespace } = spec.resourceAttributes
    const allowed = verb === 'create' && resource === 'pods' && token?.namespaces.includes(namespace) === true
    json(response, 201, { kind: 'SubjectAccessReview', spec, status: { allowed } })
  }

  #list(query: URLSearchParams, response: ServerResponse, matches: (pod: FakePod) => boolean): void {
    const found = [...this.#pods.values()].filter(matches)
    const start = Number(query.get('continue') ?? 0)
    const end = start + Number(query.get('limit') ?? found.length)
    const next = end < found.length ? { continue: String(end) } : {}
    json(response, 200, {
      kind: 'PodList',
      metadata: { resourceVersion: String(this.#version), ...next },
      items: found.slice(start, end).map(podObject)
    })
  }

  #watch(query: URLSearchParams, response: ServerResponse, matches: (pod: FakePod) => boolean): void {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (Number(query.get('resourceVersion')) < this.#oldestVersion) {
      send(response, {
        type: 'ERROR',
        object: { kind: 'Status', code: 410, message: 'too old resource version' }
      })
      response.end()
      return
    }
    for (const pod of this.#pods.values()) {
      const isNew = pod.version > Number(query.get('resourceVersion'))
      if (isNew && matches(pod)) send(response, { type: 'ADDED', object: podObject(pod) })
    }
    const watcher = { response, matches }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
  }
}

function matcher(namespace: string | undefined, query: URLSearchParams): (pod: FakePod) => boolean {
  const wanted = (query.get('labelSelector') ?? '').split(',').map(term => term.split('='))
  const isAliveWanted = query.get('fieldSelector') === 'status.phase!=Succeeded,status.phase!=Failed'
  return pod => {
    if (namespace !== undefined && pod.namespace !== namespace) return false
    if (isAliveWanted && ['Succeeded', 'Failed'].includes(pod.phase ?? '')) return false
    return wanted.every(([key = '', value]) =>
      value === undefined ? key in pod.labels : pod.labels[key] === value
    )
  }
}

function podObject({ namespace, name, labels, phase, version }: FakePod & { readonly version: number }) {
  const metadata = { namespace, name, labels, resourceVersion: String(version), annotations: { large: 'x' } }
  return { kind: 'Pod', metadata, spec: { containers: [] }, status: { phase: phase ?? 'Running' } }
}

function send(response: ServerResponse, event: object): void {
  response.write(`${JSON.stringify(event)}\n`)
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}
