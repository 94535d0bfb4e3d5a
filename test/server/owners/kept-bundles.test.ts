import t, { type Test } from 'tap'
import { OwnerKeeper } from '../../../server/owners/owner-keeper.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { dayMs, hourMs, secondMs } from '../../../shared/units.ts'
import { call, download, stage, upload } from '../../helpers/call.ts'
import { FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts'
import { readJson, type StartOptions, startServer, type TestServer } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const namespace = 'team-a'
const minuteMs = 60 * secondMs

/** A server that watches all namespaces of a fake cluster, with one bundle. */
async function startWatching(t: Test, options: StartOptions = {}) {
  const api = await FakeKubernetesApi.start(t)
  const clock = new TestClock()
  const server = await watchingServer(t, api, clock, options)
  const { bundleId, token } = (await stage(server, [['files', 'a.txt', 'bytes']])).json
  const labels = { 'spark-stage/bundle': bundleId }
  const driver = { namespace, name: 'driver', labels }
  return { api, clock, server, bundleId, token, driver }
}

async function watchingServer(
  t: Test,
  api: FakeKubernetesApi,
  clock: TestClock,
  options: StartOptions = {}
): Promise<TestServer> {
  const env = { SPARK_STAGE_WATCH_NAMESPACES: '*', SPARK_STAGE_GRACE_SECONDS: '600', ...options.env }
  const server = await startServer(t, { clock, cluster: await api.cluster(), ...options, env })
  return server
}

const isSynced = (server: TestServer) => () =>
  server.logLines.some(line => line.includes('owner watch synced'))

async function leaseOf(server: TestServer, bundleId: string): Promise<Record<string, unknown>> {
  return (await readJson(`${server.folder}/bundles/${bundleId}/lease.json`)) as Record<string, unknown>
}

const hasOwner = (server: TestServer, bundleId: string) => async () =>
  (await leaseOf(server, bundleId))['hadOwner'] === true
const isGraced = (server: TestServer, bundleId: string) => async () =>
  (await leaseOf(server, bundleId))['ownerGoneAtMs'] !== undefined
const isEnded = (server: TestServer, bundleId: string) => async () =>
  (await leaseOf(server, bundleId))['state'] === 'ended'

/** One more sweep, to its end. */
async function sweep(server: TestServer, clock: TestClock, ms = minuteMs): Promise<void> {
  const before = server.logLines.filter(line => line.includes('sweep done')).length
  clock.advance(ms)
  await until(() => server.logLines.filter(line => line.includes('sweep done')).length > before)
}

t.test('a bundle stays as long as its driver lives, and ends a grace after it', async t => {
  const { api, clock, server, bundleId, token, driver } = await startWatching(t)
  await until(isSynced(server))
  api.setPod(driver)
  await until(hasOwner(server, bundleId))
  const figures = (await call(server, 'GET', '/metrics')).bytes.toString()
  t.match(figures, /spark_stage_owner_watches\{state="synced"\} 1/)
  t.match(figures, /spark_stage_owned_bundles 1/)

  for (let day = 0; day < 9; day += 1) {
    await sweep(server, clock, dayMs)
    t.equal((await leaseOf(server, bundleId))['state'], 'committed', `day ${day}`)
  }
  api.setPod({ ...driver, phase: 'Succeeded' })
  await until(isGraced(server, bundleId))
  const graced = await leaseOf(server, bundleId)
  t.equal(graced['expiresAtMs'], clock.now() + 600 * secondMs)
  t.equal((await download(server, bundleId, token)).status, 200)
  await sweep(server, clock, 9 * minuteMs)
  t.equal((await leaseOf(server, bundleId))['state'], 'committed')

  await sweep(server, clock, 2 * minuteMs)
  await until(isEnded(server, bundleId))

  t.match(await leaseOf(server, bundleId), { state: 'ended', reason: 'expired' })
  t.equal((await download(server, bundleId, token)).status, 410)
})

t.test('a pod that comes within the grace takes it back', async t => {
  const { api, clock, server, bundleId, driver } = await startWatching(t)
  await until(isSynced(server))
  api.setPod(driver)
  await until(hasOwner(server, bundleId))
  api.deletePod(namespace, 'driver')
  await until(isGraced(server, bundleId))

  api.setPod({ ...driver, name: 'executor-7' })
  await until(async () => !(await isGraced(server, bundleId)()))

  t.equal((await leaseOf(server, bundleId))['expiresAtMs'], clock.now() + 7 * dayMs)
})

t.test(
  'nothing ends while the API server is away, also after a restart, and all goes on when it is back',
  async t => {
    const { api, clock, server, bundleId, token, driver } = await startWatching(t)
    await until(isSynced(server))
    api.setPod(driver)
    await until(hasOwner(server, bundleId))
    const { port } = api
    await api.close()
    await until(() => server.logLines.some(line => line.includes('owner watch broken')))

    await sweep(server, clock, 10 * dayMs)
    await sweep(server, clock)
    t.equal((await leaseOf(server, bundleId))['state'], 'committed')
    t.equal((await download(server, bundleId, token, '/entries/files/a.txt')).status, 200)
    t.equal((await upload(server, 'POST', `/api/v1/namespaces/team-a/bundles/${bundleId}/token`)).status, 200)
    await server.close()
    const { folder, keysDirectory } = server
    const next = await watchingServer(t, api, clock, { folder, keysDirectory })
    await sweep(next, clock, 3 * hourMs)
    t.equal((await leaseOf(next, bundleId))['state'], 'committed')
    t.equal((await download(next, bundleId, token)).status, 200)

    api.deletePod(namespace, 'driver')
    await api.listen(port)
    await until(isSynced(next))
    await sweep(next, clock, hourMs)
    await until(isGraced(next, bundleId))
    t.equal(
      (await leaseOf(next, bundleId))['expiresAtMs'],
      clock.now() + 600 * secondMs,
      'the grace is what is left'
    )
    await sweep(next, clock, 11 * minuteMs)
    await until(isEnded(next, bundleId))
  }
)

t.test('what was never started can be stopped', async t => {
  const api = await FakeKubernetesApi.start(t)
  const silent = { info: () => {}, error: () => {} }
  const keeper = new OwnerKeeper({ cluster: await api.cluster(), namespaces: undefined, graceMs: 0 }, silent)

  await keeper.stop()

  t.same(api.questions, [])
})

t.test('a lease that cannot be looked at is said in the log, and looked at again', async t => {
  let isBroken = false
  const { api, clock, server, bundleId, driver } = await startWatching(t, {
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (isBroken && method === 'read') throw new StorageError('broken', 'as the test wants it')
        }
      })
  })
  await until(isSynced(server))
  isBroken = true
  api.setPod(driver)
  await until(() => server.logLines.some(line => line.includes('lease not looked at for its owner')))
  isBroken = false

  clock.advance(hourMs)

  await until(hasOwner(server, bundleId))
  t.equal((await leaseOf(server, bundleId))['state'], 'committed')
})

t.test('where namespaces are named, nothing is asked about others', async t => {
  const api = await FakeKubernetesApi.start(t)
  const env = { SPARK_STAGE_WATCH_NAMESPACES: 'team-a,team-b' }
  const server = await watchingServer(t, api, new TestClock(), { env })
  await until(() => api.watchersCount === 2)

  const paths = new Set(api.questions.map(({ path }) => path))
  t.same([...paths].sort(), ['/api/v1/namespaces/team-a/pods', '/api/v1/namespaces/team-b/pods'])
  await until(isSynced(server))
})
