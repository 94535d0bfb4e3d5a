import t, { type Test } from 'tap'
import { type DoctorResult, doctor } from '../../client/commands/doctor.ts'
import type { Flags } from '../../client/option-values.ts'
import { readDoctorOptions } from '../../client/options.ts'
import { answer, startFakeServer } from './fake-server.ts'
import { FakeCluster } from './submit/fake-cluster.ts'

const never = new AbortController().signal
const namespace = 'team-a'
const bundleId = '0123456789abcdef0123456789abcdef'

/** A cluster with a healthy server behind a Service. */
async function prepare(t: Test) {
  const server = await startFakeServer(t, (request, response) => {
    if (request.url === '/livez') answer(response, 200, { status: 'live' })
    else if (request.url === '/readyz') answer(response, 200, { status: 'ready' })
    else answer(response, 200, { bundles: [] })
    return true
  })
  const cluster = new FakeCluster()
  cluster.forwardTo = { port: Number(new URL(server.url).port), isTls: false }
  const examine = (flags: Flags = {}): Promise<DoctorResult> => {
    const read = () => readDoctorOptions({ namespace, server: 'k8s://stage/spark-stage', ...flags }, {})
    return doctor(
      read,
      () => {},
      never,
      async () => cluster
    )
  }
  return { server, cluster, examine }
}

function states({ checks }: DoctorResult): Readonly<Record<string, string>> {
  return Object.fromEntries(checks.map(({ check, state }) => [check, state]))
}

function messageOf({ checks }: DoctorResult, name: string): string | undefined {
  return checks.find(({ check }) => check === name)?.message
}

t.test('behind k8s:// the cluster, the Service, the token and what was left are checked', async t => {
  const { cluster, examine } = await prepare(t)

  const result = await examine({ 'service-account': 'spark', audience: 'other' })

  t.strictSame(states(result), {
    options: 'passed',
    cluster: 'passed',
    'upload token': 'passed',
    secrecy: 'passed',
    service: 'passed',
    alive: 'passed',
    ready: 'passed',
    clock: 'passed',
    credential: 'passed',
    leftovers: 'passed'
  })
  t.equal(result.exitCode, 0)
  t.equal(messageOf(result, 'upload token'), 'one of service account team-a/spark for other')
  t.equal(cluster.openForwards, 0, 'the forward was closed')
  t.notOk(JSON.stringify(result).includes('token-of-the-service-account'))
  t.strictSame(cluster.secrets.size, 0)
})

t.test('Secrets that a submission left are named, with what to do', async t => {
  const { cluster, examine } = await prepare(t)
  cluster.secrets.set('one', {
    namespace,
    name: `spark-stage-${bundleId}`,
    labels: { 'spark-stage/bundle': bundleId },
    annotations: { 'spark-stage/expires-at': '2030-01-01T00:00:00.000Z' },
    token: 'secret'
  })

  const result = await examine()

  t.equal(states(result)['leftovers'], 'warned')
  t.match(
    messageOf(result, 'leftovers'),
    new RegExp(
      `Secret spark-stage-${bundleId}, of a bundle that expires 2030.*\\n.*rm --orphans --namespace team-a`
    )
  )
  t.equal(cluster.secrets.size, 1, 'nothing was removed')
})

t.test('a cluster that does not let this user through skips what is behind it', async t => {
  const { cluster, examine } = await prepare(t)
  cluster.failures.set('forward', Number.POSITIVE_INFINITY)
  cluster.failures.set('requestToken', Number.POSITIVE_INFINITY)

  const result = await examine()

  t.match(states(result), {
    'upload token': 'failed',
    service: 'failed',
    alive: 'skipped',
    credential: 'skipped',
    leftovers: 'passed'
  })
  t.equal(messageOf(result, 'alive'), 'not checked, because of: service')
  t.equal(result.exitCode, 10)
})

t.test('who looks at a bundle alone needs no upload credential', async t => {
  const { cluster, examine } = await prepare(t)
  const bundle = `team-a/${bundleId}`

  const result = await examine({ bundle, 'token-file': '/nowhere', namespace: undefined })

  t.notOk(messageOf(result, 'upload token'))
  t.notOk(messageOf(result, 'leftovers'))
  t.notOk(cluster.calls.some(({ verb }) => verb === 'requestToken'))
})
