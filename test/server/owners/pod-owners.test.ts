import t, { type Test } from 'tap'
import { OwnerLooks } from '../../../server/owners/owner-looks.ts'
import { PodOwners } from '../../../server/owners/pod-owners.ts'
import { FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts'
import { until } from '../../helpers/until.ts'

const bundle = { namespace: 'a', bundleId: 'id-1' }
const driver = { namespace: 'a', name: 'driver', labels: { 'spark-stage/bundle': 'id-1' } }

async function startOwners(t: Test, namespaces?: readonly string[]) {
  const api = await FakeKubernetesApi.start(t)
  const changes: string[] = []
  const broken: string[] = []
  const owners = new PodOwners({
    cluster: await api.cluster(),
    namespaces,
    graceMs: 1000,
    backoffMs: [5, 20],
    report: {
      changed: (namespace, bundleId) => void changes.push(`${namespace}/${bundleId}`),
      connected: () => {},
      broken: (namespace, error) => void broken.push(`${namespace}: ${error.message}`)
    }
  })
  t.teardown(() => owners.stop())
  return { api, owners, changes, broken }
}

const isWatch = ({ query }: { readonly query: URLSearchParams }) => query.get('watch') === 'true'

t.test('an owner lives from its first pod to its last', async t => {
  const { api, owners, changes } = await startOwners(t)
  t.equal(await owners.stateOf(bundle), 'unknown', 'before anything was seen')
  await owners.start()
  await until(() => owners.figures.syncedCount === 1 && api.watchersCount === 1)
  t.equal(await owners.stateOf(bundle), 'gone')

  api.setPod(driver)
  api.setPod({ ...driver, name: 'executor' })
  await until(() => owners.figures.ownersCount === 1)
  const asked = api.questions.length
  t.equal(await owners.stateOf(bundle), 'alive')
  t.equal(api.questions.length, asked, 'what the watch sees is not asked for')
  t.same([...owners.alive()], [bundle])
  api.setPod({ ...driver, phase: 'Succeeded' })
  api.deletePod('a', 'executor')
  await until(() => owners.figures.ownersCount === 0)

  t.equal(await owners.stateOf(bundle), 'gone')
  t.same(changes, ['a/id-1', 'a/id-1'], 'one that comes, one that goes')
})

t.test('owners that were never looked after can be left alone', async t => {
  const { owners } = await startOwners(t, ['a', 'b'])

  await owners.stop()

  t.match(owners.figures, { syncedCount: 0, brokenCount: 2, ownersCount: 0 })
})

t.test('a pod that goes while nobody watches is missed, and its owner with it', async t => {
  const { api, owners, changes, broken } = await startOwners(t)
  api.setPod(driver)
  await owners.start()
  await until(() => owners.figures.ownersCount === 1 && api.watchersCount === 1)
  api.disturb = question => (isWatch(question) ? 'cut' : undefined)
  api.cutWatches()
  await until(() => broken.length > 0)
  t.equal(await owners.stateOf(bundle), 'unknown', 'what was seen before counts no more')
  api.deletePod('a', 'driver')
  api.disturb = () => undefined

  await until(() => owners.figures.ownersCount === 0 && owners.figures.syncedCount === 1)

  t.equal(await owners.stateOf(bundle), 'gone')
  t.same(changes, ['a/id-1', 'a/id-1'])
})

t.test('a pod that changes its label leaves the one bundle for the other', async t => {
  const { api, owners } = await startOwners(t)
  await owners.start()
  await until(() => api.watchersCount === 1 && owners.figures.syncedCount === 1)
  api.setPod(driver)
  await until(() => owners.figures.ownersCount === 1)

  api.setPod({ ...driver, labels: { 'spark-stage/bundle': 'id-2' } })
  await until(() => [...owners.alive()].some(({ bundleId }) => bundleId === 'id-2'))

  t.same([...owners.alive()], [{ namespace: 'a', bundleId: 'id-2' }])
})

t.test('a watch that has missed the pod does not make its owner gone: the API server is asked', async t => {
  const { api, owners } = await startOwners(t)
  await owners.start()
  await until(() => api.watchersCount === 1 && owners.figures.syncedCount === 1)
  api.endWatches()
  api.disturb = question => (isWatch(question) ? 'hang' : undefined)
  await until(() => api.watchersCount === 0)
  api.setPod(driver)

  t.equal(await owners.stateOf(bundle), 'alive')
  t.equal(owners.figures.ownersCount, 0)
})

t.test('only a complete answer that holds no pod says that an owner is gone', async t => {
  const { api, owners } = await startOwners(t)
  await owners.start()
  await until(() => api.watchersCount === 1 && owners.figures.syncedCount === 1)
  const list = (changes: object) => ({
    status: 200,
    body: { kind: 'PodList', metadata: {}, items: [], ...changes }
  })

  for (const [expected, disturbance] of [
    ['gone', list({})],
    ['alive', list({ items: [{}] })],
    ['unknown', list({ metadata: { continue: 'more' } })],
    ['unknown', list({ kind: 'Status' })],
    ['unknown', list({ items: null })],
    ['unknown', { status: 200, body: 'no JSON' }],
    ['unknown', { status: 403, body: {} }],
    ['unknown', { status: 410, body: {} }],
    ['unknown', 'cut']
  ] as const) {
    api.disturb = question => (isWatch(question) ? undefined : disturbance)
    t.equal(await owners.stateOf(bundle), expected, JSON.stringify(disturbance))
  }
})

t.test('the same question is asked once at a time; labels of an own are asked for as they are', async t => {
  const { api, owners } = await startOwners(t)
  await owners.start()
  await until(() => api.watchersCount === 1 && owners.figures.syncedCount === 1)
  api.setPod({ namespace: 'a', name: 'fork-driver', labels: { app: 'x', 'spark-role': 'driver' } })
  const asked = api.questions.length
  const ownerLabels = { app: 'x', 'spark-role': 'driver' }

  const states = await Promise.all(
    Array.from({ length: 9 }, () => owners.stateOf({ ...bundle, ownerLabels }))
  )

  t.same([...new Set(states)], ['alive'])
  t.equal(api.questions.length, asked + 1)
  t.equal(await owners.stateOf({ ...bundle, ownerLabels: { app: 'y' } }), 'gone')
  t.equal(await owners.stateOf({ namespace: 'b', bundleId: 'id-1', ownerLabels }), 'gone')
})

t.test('a namespace without the right is unknown, said once, and the others go on', async t => {
  const { api, owners, broken } = await startOwners(t, ['a', 'b'])
  const status = { kind: 'Status', code: 403, message: 'cannot list resource "pods" in namespace "b"' }
  let refusals = 0
  api.disturb = ({ path }) => {
    if (!path.includes('/b/')) return undefined
    refusals += 1
    return { status: 403, body: status }
  }
  api.setPod(driver)
  await owners.start()
  await until(() => refusals > 3 && owners.figures.syncedCount === 1)

  t.equal(await owners.stateOf(bundle), 'alive')
  t.equal(await owners.stateOf({ ...bundle, namespace: 'b' }), 'unknown')
  t.equal(await owners.stateOf({ ...bundle, namespace: 'c' }), 'unwatched')
  t.same(broken, ['b: the API server answered 403: cannot list resource "pods" in namespace "b"'])
  t.match(owners.figures, { syncedCount: 1, brokenCount: 1 })
})

t.test('looks are shared, bounded, and a failing one keeps no other from its turn', async t => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const looked: string[] = []
  const failed: string[] = []
  let runningCount = 0
  let mostCount = 0
  const looks = new OwnerLooks(
    async (_namespace, bundleId) => {
      runningCount += 1
      mostCount = Math.max(mostCount, runningCount)
      await gate
      runningCount -= 1
      looked.push(bundleId)
      if (bundleId === 'id-3') throw new Error('as the test wants it')
    },
    bundleId => void failed.push(bundleId)
  )
  for (let number = 0; number < 40; number += 1) looks.ask({ namespace: 'a', bundleId: `id-${number}` })
  looks.ask({ namespace: 'a', bundleId: 'id-39' })
  open()
  await until(() => looked.length === 40)

  t.equal(mostCount, 16)
  t.same(failed, ['id-3'])
  await looks.stop()
  looks.ask({ namespace: 'a', bundleId: 'late' })
  t.equal(looked.length, 40)
})
