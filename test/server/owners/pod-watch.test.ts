import t, { type Test } from 'tap'
import { openCluster } from '../../../server/identity/kubernetes-cluster.ts'
import { type OwnerPod, watchPods } from '../../../server/owners/pod-watch.ts'
import { type Disturbance, FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts'
import { until } from '../../helpers/until.ts'

const labels = { 'spark-stage/bundle': 'id-1' }
const driver = { namespace: 'a', name: 'driver', labels }

/** A watch, and what it has told, in order. */
async function startWatch(
  t: Test,
  api: FakeKubernetesApi,
  namespace?: string,
  silenceMs = 60_000,
  backoffMs: readonly [number, number] = [5, 20]
) {
  const told: string[] = []
  const broken: string[] = []
  const name = (pod: OwnerPod) => `${pod.namespace}/${pod.name}/${pod.bundleId}`
  const stop = await watchPods(
    { cluster: await api.cluster(), namespace, backoffMs, silenceMs },
    {
      listed: pods => void told.push(`listed ${pods.map(name)}`),
      appeared: pod => void told.push(`appeared ${name(pod)}`),
      ended: pod => void told.push(`ended ${name(pod)}`),
      connected: () => void told.push('connected'),
      broken: error => void broken.push(error.message)
    }
  )
  t.teardown(stop)
  return { told, broken, stop, times: (what: string) => told.filter(line => line === what).length }
}

const isWatch = ({ query }: { readonly query: URLSearchParams }) => query.get('watch') === 'true'

t.test('a watch lists the living pods, then tells what changes', async t => {
  const api = await FakeKubernetesApi.start(t)
  api.setPod(driver)
  api.setPod({ ...driver, name: 'finished', phase: 'Succeeded' })
  api.setPod({ namespace: 'a', name: 'stranger', labels: {} })
  const { told } = await startWatch(t, api)
  await until(() => told.includes('connected') && api.watchersCount === 1)

  api.setPod({ ...driver, name: 'executor' })
  api.setPod({ ...driver, phase: 'Failed' })
  api.deletePod('a', 'executor')
  await until(() => told.includes('ended a/executor/id-1'))

  t.equal(told[0], 'listed a/driver/id-1')
  t.ok(told.includes('ended a/driver/id-1'))
  t.ok(told.includes('appeared a/executor/id-1'))
  t.notOk(told.some(line => /finished|stranger/.test(line)))
})

t.test('a list of more than a page is read to its end', async t => {
  const api = await FakeKubernetesApi.start(t)
  for (let number = 0; number < 1001; number += 1) api.setPod({ ...driver, name: `executor-${number}` })

  const { told } = await startWatch(t, api, 'a')
  await until(() => told.length > 0)

  t.equal(told[0]?.split(',').length, 1001)
  t.equal(api.questions.filter(question => !isWatch(question)).length, 3)
  t.ok(api.questions.every(({ path }) => path === '/api/v1/namespaces/a/pods'))
})

t.test('changes that the API server has forgotten cause a new list', async t => {
  const api = await FakeKubernetesApi.start(t)
  api.setPod(driver)
  const { told, broken } = await startWatch(t, api)
  await until(() => api.watchersCount === 1)
  // The pod goes while nobody watches, and nobody will ever say so.
  api.disturb = question => (isWatch(question) ? 'cut' : undefined)
  api.cutWatches()
  await until(() => broken.length > 0)
  api.deletePod('a', 'driver')
  api.forgetChanges()
  api.disturb = () => undefined

  await until(() => told.at(-1) === 'connected' && api.watchersCount === 1)

  t.equal(told.at(-2), 'listed ')
})

t.test('a 410 for the watch itself causes a new list, and breaks nothing', async t => {
  const api = await FakeKubernetesApi.start(t)
  let isFirst = true
  api.disturb = question => {
    if (isWatch(question) && isFirst) {
      isFirst = false
      return { status: 410, body: {} }
    }
    return undefined
  }

  const { broken, times } = await startWatch(t, api)
  await until(() => api.watchersCount === 1)

  t.equal(times('listed '), 2)
  t.same(broken, [])
})

const troubles: Readonly<Record<string, { readonly disturbance: Disturbance; readonly message: RegExp }>> = {
  'a missing right': {
    disturbance: { status: 403, body: { kind: 'Status', code: 403, message: 'cannot list resource "pods"' } },
    message: /answered 403: cannot list resource "pods"/
  },
  'a list that is none': { disturbance: { status: 200, body: {} }, message: /not iterable/ },
  'a failure without words': { disturbance: { status: 500, body: 'null' }, message: /answered 500$/ },
  'a cut connection': { disturbance: 'cut', message: /gave no answer/ }
}
for (const [name, { disturbance, message }] of Object.entries(troubles)) {
  t.test(`after ${name} it is tried again until it works`, async t => {
    const api = await FakeKubernetesApi.start(t)
    api.disturb = () => disturbance
    const { told, broken } = await startWatch(t, api)
    await until(() => broken.length > 3)
    t.match(broken[0], message)
    t.same(told, [], 'nothing is known, not even that there is none')
    api.disturb = () => undefined

    await until(() => told.includes('connected'))

    t.same(told, ['listed ', 'connected'])
  })
}

t.test('a 410 within a watch causes a new list as well; a pod that changes is told', async t => {
  const api = await FakeKubernetesApi.start(t)
  const { told, broken, times } = await startWatch(t, api)
  await until(() => api.watchersCount === 1)
  api.setPod(driver)
  api.setPod({ ...driver, phase: 'Pending' })
  await until(() => times('appeared a/driver/id-1') === 2)

  api.tell({ type: 'ERROR', object: { kind: 'Status', code: 410 } })
  api.endWatches()
  await until(() => told.includes('listed a/driver/id-1'))

  t.same(broken, [])
})

t.test('an error within a watch that is no 410 breaks it, and a new list follows', async t => {
  const api = await FakeKubernetesApi.start(t)
  const { broken, times } = await startWatch(t, api)
  await until(() => api.watchersCount === 1)

  api.tell({ type: 'ERROR', object: { kind: 'Status', code: 504, message: 'Too large resource version' } })
  await until(() => times('connected') === 2)

  t.match(broken, [/answered 504: Too large resource version/])
  t.equal(times('listed '), 2)
})

t.test('a watch for which no credential can be had is broken, and throws nothing', async t => {
  const api = await FakeKubernetesApi.start(t)
  const { ask, apiServer } = await api.cluster()
  const refusing = api.kubeconfig.replace(
    '"insecure-skip-tls-verify":true',
    '"insecure-skip-tls-verify":false'
  )
  const { kubeConfig } = await openCluster(refusing)
  const broken: string[] = []
  const ignored = () => {}
  const report = { listed: ignored, appeared: ignored, ended: ignored, connected: () => t.fail('connected') }
  const stop = await watchPods(
    { cluster: { ask, apiServer, kubeConfig }, namespace: undefined, backoffMs: [5, 20] },
    { ...report, broken: error => void broken.push(error.message) }
  )

  await until(() => broken.length > 1)

  t.match(broken[0], /not allowed/)
  await stop()
})

t.test('a silence before any answer breaks a watch, one after it does not', async t => {
  const api = await FakeKubernetesApi.start(t)
  api.disturb = question => (isWatch(question) ? 'hang' : undefined)
  const { broken, times } = await startWatch(t, api, undefined, 40)
  await until(() => broken.length > 0)
  t.equal(broken[0], 'no answer in time')
  t.equal(times('connected'), 0)
  api.disturb = () => undefined
  await until(() => times('connected') > 0)
  const brokenCount = broken.length

  await until(() => times('connected') > 2)

  t.equal(broken.length, brokenCount)
})

t.test('a watch that the API server ends again and again is taken up again, after a wait', async t => {
  const api = await FakeKubernetesApi.start(t)
  const { broken, times } = await startWatch(t, api)

  for (let count = 1; count <= 3; count += 1) {
    await until(() => times('connected') === count && api.watchersCount === 1)
    api.endWatches()
  }
  await until(() => times('connected') === 4)

  t.same(broken, [])
})

t.test('bookmarks and lines that are no JSON are no news', async t => {
  const api = await FakeKubernetesApi.start(t)
  const { told } = await startWatch(t, api)
  await until(() => api.watchersCount === 1)

  api.tell({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '900' } } })
  api.setPod(driver)
  await until(() => told.includes('appeared a/driver/id-1'))

  t.same(told, ['listed ', 'connected', 'appeared a/driver/id-1'])
})

t.test('a watch that is stopped ends its connection, and begins nothing more', async t => {
  const api = await FakeKubernetesApi.start(t)
  const { stop, broken } = await startWatch(t, api)
  await until(() => api.watchersCount === 1)

  await stop()
  await until(() => api.watchersCount === 0)
  const asked = api.questions.length
  api.forgetChanges()
  await new Promise(setImmediate)

  t.equal(api.questions.length, asked)
  t.same(broken, [])
})

t.test('one that is stopped while it waits to try again does not', async t => {
  const api = await FakeKubernetesApi.start(t)
  api.disturb = () => 'cut'
  const { stop, broken } = await startWatch(t, api, undefined, 60_000, [60_000, 60_000])
  await until(() => broken.length > 0)

  await stop()
  const asked = api.questions.length
  api.disturb = () => undefined
  for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)

  t.ok(api.questions.length <= asked + 1, 'at most what was on its way')
  t.equal(api.watchersCount, 0)
})
