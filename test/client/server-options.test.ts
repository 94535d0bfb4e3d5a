import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { StageServer } from '../../client/http-client.ts'
import type { Flags } from '../../client/option-values.ts'
import { readGetOptions, readListOptions } from '../../client/options.ts'
import { openWay, readServerOptions } from '../../client/server-options.ts'
import { FakeApiServer } from '../helpers/fake-cluster/fake-api-server.ts'
import { answer, fakeBundleId, startFakeServer } from './fake-server.ts'
import { runClient } from './run-client.ts'
import { FakeCluster } from './submit/fake-cluster.ts'

const never = new AbortController().signal
const namespace = 'team-a'
const report = { begin: () => ({ move: () => {}, end: () => {} }), note: () => {} }

/** A cluster with a server behind a Service, and who asked it with what. */
async function prepare(t: Test) {
  const credentials: (string | undefined)[] = []
  const server = await startFakeServer(t, (request, response) => {
    credentials.push(request.headers.authorization)
    answer(response, 200, { bundles: [] })
    return true
  })
  const cluster = new FakeCluster()
  cluster.forwardTo = { port: Number(new URL(server.url).port), isTls: false }
  const environment = { HTTPS_PROXY: 'http://proxy:3128' }
  const read = (flags: Flags) =>
    readListOptions({ namespace, server: 'k8s://stage/spark-stage:443', ...flags }, environment)
  const asked: unknown[] = []
  const open = async (options: unknown) => {
    asked.push(options)
    return cluster
  }
  return { cluster, credentials, read, open, asked, environment }
}

t.test(
  'behind k8s:// a service account proves who uploads, and the forward goes with the connection',
  async t => {
    const { cluster, credentials, read, open, asked, environment } = await prepare(t)

    const options = await readServerOptions(read({}), namespace, report, never, open)
    {
      await using server = await StageServer.open(options)
      await server.call({ method: 'GET', path: '/x', parse: () => true }, never)
      t.equal(cluster.openForwards, 1)
    }

    t.equal(cluster.openForwards, 0)
    t.strictSame(credentials, ['Bearer token-of-the-service-account'])
    t.strictSame(asked, [{ environment }])
    t.match(cluster.calls[0], {
      verb: 'requestToken',
      request: { namespace, serviceAccount: 'default', audience: 'spark-stage', seconds: 3600 }
    })
    t.match(cluster.calls[1], {
      verb: 'forward',
      request: { namespace: 'stage', service: 'spark-stage', port: 443 }
    })
    t.equal(options.servername, 'spark-stage.stage.svc')
  }
)

t.test('a file with a credential wins over the service account', async t => {
  const { cluster, read, open } = await prepare(t)
  const path = join(t.testdir({}), 'credential')
  await writeFile(path, 'from-a-file', { mode: 0o600 })

  const options = await readServerOptions(read({ 'upload-token-file': path }), namespace, report, never, open)
  await options.onClose?.()

  t.equal(options.uploadToken, 'from-a-file')
  t.strictSame(
    cluster.calls.map(({ verb }) => verb),
    ['forward']
  )
})

t.test('who has a download token needs only the way', async t => {
  const { cluster, open } = await prepare(t)
  const flags = { bundle: `${namespace}/${fakeBundleId}`, 'token-file': 'token', into: 'out' }
  const behind = readGetOptions({ server: 'k8s://stage/spark-stage', ...flags }, {})
  const direct = readGetOptions({ server: 'https://stage.example', ...flags }, {})

  const way = await openWay(behind, () => {}, never, open)
  const straight = await openWay(direct, () => {}, never, open)
  await Promise.all([way.close(), straight.close()])

  t.equal(way.url.origin, `http://127.0.0.1:${cluster.forwardTo.port}`)
  t.equal(straight.url, direct.server)
  t.strictSame(
    cluster.calls.map(({ verb }) => verb),
    ['forward']
  )
  t.equal(cluster.openForwards, 0)
})

t.test('the program itself asks the cluster of the kubeconfig', async t => {
  const api = await FakeApiServer.start(t)
  const bundleId = fakeBundleId
  const name = `spark-stage-${bundleId}`
  const metadata = {
    name,
    labels: { 'spark-stage/bundle': bundleId },
    annotations: { 'spark-stage/expires-at': '2020-01-01T00:00:00.000Z' }
  }
  const base = `/api/v1/namespaces/${namespace}`
  api.answers.set(`GET ${base}/secrets`, { body: { items: [{ metadata }], metadata: {} } })
  api.answers.set(`GET ${base}/pods`, { body: { items: [], metadata: {} } })
  api.answers.set(`DELETE ${base}/secrets/${name}`, { body: {} })
  const KUBECONFIG = join(t.testdir({}), 'kubeconfig')
  await writeFile(KUBECONFIG, api.config().exportConfig())

  const run = await runClient(['rm', '--orphans', '--namespace', namespace], t.testdirName, { KUBECONFIG })

  t.strictSame(run, { code: 0, stdout: `removed   Secret ${namespace}/${name}\n`, stderr: '' })
  t.strictSame(
    api.requests.map(({ method, path }) => `${method} ${path}`),
    [`GET ${base}/secrets`, `GET ${base}/pods`, `DELETE ${base}/secrets/${name}`]
  )
})
