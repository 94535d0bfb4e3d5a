import type { ServerResponse } from 'node:http'
import type { V1Pod } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { type PodList, watchPods } from '../../../client/kubernetes/watch-pods.ts'
import {
  type FakeAnswer,
  FakeApiServer,
  refused,
  type SeenRequest
} from '../../helpers/fake-cluster/fake-api-server.ts'
import { until } from '../../helpers/until.ts'

const namespace = 'team-a'
const labelSelector = 'spark-stage/bundle=1'

const podNamed = (name: string): V1Pod => ({ metadata: { name } })
const event = (type: string, name: string) => ({ type, object: podNamed(name) })

/** A watch that says these and goes on. */
function events(...said: readonly object[]): (response: ServerResponse) => void {
  return response => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write(said.map(one => `${JSON.stringify(one)}\n`).join(''))
  }
}

/** A watch that says these and ends. */
function lastEvents(...said: readonly object[]): (response: ServerResponse) => void {
  return response => {
    events(...said)(response)
    response.end()
  }
}

/** Watches a fake API server that answers one watch after the other, and lists a pod of its own each time. */
async function startWatch(t: Test, ...answers: FakeAnswer[]) {
  const api = await FakeApiServer.start(t)
  const told: string[] = []
  const controller = new AbortController()
  let lists = 0
  const list = async (): Promise<PodList> => {
    lists += 1
    return { pods: [podNamed(`listed-${lists}`)], resourceVersion: String(100 * lists) }
  }
  api.answers.set('GET /api/v1/namespaces/team-a/pods', [...answers, events()])
  const onPod = (type: string, pod: V1Pod) => {
    told.push(`${type} ${pod.metadata?.name}`)
  }
  const watch = { config: api.config(), namespace, labelSelector, list, onPod }
  return { api, told, controller, watch, watching: watchPods(watch, controller.signal) }
}

const versionOf = (request: SeenRequest | undefined) => request?.query.get('resourceVersion')

t.test('it tells of what there is, and then of what happens', async t => {
  const answer = events(event('ADDED', 'driver'), event('DELETED', 'driver'))
  const { api, told, controller, watching } = await startWatch(t, answer)
  await until(() => told.length === 3)

  controller.abort()
  await watching

  t.same(told, ['ADDED listed-1', 'ADDED driver', 'DELETED driver'])
  const [request] = api.requests
  t.equal(request?.path, '/api/v1/namespaces/team-a/pods')
  t.equal(request?.query.get('labelSelector'), labelSelector)
  t.equal(request?.query.get('watch'), 'true')
  t.equal(versionOf(request), '100')
})

t.test('a watch that ends goes on from a new list', async t => {
  const { api, told, controller, watching } = await startWatch(t, lastEvents(event('MODIFIED', 'driver')))
  await until(() => api.requests.length === 2)

  controller.abort()
  await watching

  t.same(told, ['ADDED listed-1', 'MODIFIED driver', 'ADDED listed-2'])
  t.equal(versionOf(api.requests[1]), '200')
})

t.test('a version that is too old, and a server that is away, are followed by a new list', async t => {
  const gone = events({ type: 'ERROR', object: { kind: 'Status', code: 410 } })
  const away = refused(503, 'away')
  const { api, told, controller, watching } = await startWatch(t, gone, away)
  await until(() => api.requests.length === 3)

  controller.abort()
  await watching

  t.same(told, ['ADDED listed-1', 'ADDED listed-2', 'ADDED listed-3'])
})

t.test('a list that fails later is asked for again', async t => {
  const { watch, controller, watching } = await startWatch(t, lastEvents(), lastEvents())
  controller.abort()
  await watching
  const ending = new AbortController()
  let lists = 0
  const list = async () => {
    lists += 1
    if (lists === 2) throw new Error('away')
    return { pods: [], resourceVersion: '1' }
  }
  const again = watchPods({ ...watch, list }, ending.signal)
  await until(() => lists === 3)

  ending.abort()

  await t.resolves(again)
})

t.test('whoever has stopped already is told nothing of what happens', async t => {
  const { watch, controller, watching } = await startWatch(t)
  controller.abort()
  await watching
  const seen: string[] = []
  let aborting = new AbortController()
  const list = async () => {
    aborting.abort()
    return { pods: [podNamed('driver')], resourceVersion: '1' }
  }
  await watchPods({ ...watch, list, onPod: type => seen.push(type) }, aborting.signal)
  t.same(seen, [])

  aborting = new AbortController()
  const stopWhileTold = { ...watch, onPod: () => aborting.abort() }
  await watchPods(stopWhileTold, aborting.signal)
  t.ok(aborting.signal.aborted)
})

t.test('without a first list there is nothing to watch', async t => {
  const { watch, controller, watching } = await startWatch(t)
  const list = () => Promise.reject(new Error('not allowed'))

  await t.rejects(watchPods({ ...watch, list }, controller.signal), { message: 'not allowed' })

  controller.abort()
  await watching
})

t.test('an API server that cannot be reached is asked again until the end', async t => {
  const { api, watch, controller, watching } = await startWatch(t)
  controller.abort()
  await watching
  const config = api.config('https://127.0.0.1:2')
  const ending = new AbortController()
  let lists = 0
  const list = async () => {
    lists += 1
    return { pods: [], resourceVersion: '1' }
  }
  const again = watchPods({ ...watch, config, list }, ending.signal)
  await until(() => lists === 2)

  ending.abort()

  await again
  t.equal(lists, 2)
})
