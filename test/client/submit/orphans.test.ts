import t, { type Test } from 'tap'
import { describeOrphans, rmOrphans } from '../../../client/commands/rm-orphans.ts'
import { readOrphansOptions } from '../../../client/options.ts'
import { findOrphans, removeOrphans } from '../../../client/submit/orphans.ts'
import { FakeCluster, sparkPod } from './fake-cluster.ts'

const never = new AbortController().signal
const namespace = 'team-a'
const bundleId = '0123456789abcdef0123456789abcdef'
const name = `spark-stage-${bundleId}`
const secret = {
  namespace,
  name,
  labels: { 'spark-stage/bundle': bundleId },
  annotations: { 'spark-stage/expires-at': '2030-01-01T00:00:00.000Z' },
  token: 'secret'
}
const expiresMs = Date.parse(secret.annotations['spark-stage/expires-at'])
const orphan = { namespace, name, bundleId, expiresAt: '2030-01-01T00:00:00.000Z' }

/** A cluster with one Secret. */
function clusterWith(changes: object = {}): FakeCluster {
  const cluster = new FakeCluster()
  const made = { ...secret, ...changes }
  cluster.secrets.set(made.name, made)
  return cluster
}

t.test('a Secret without a pod goes once its bundle has expired, and not before', async t => {
  const cluster = clusterWith()

  t.strictSame(await removeOrphans(cluster, namespace, expiresMs - 1, never), [])
  t.equal(cluster.secrets.size, 1)
  t.strictSame(await removeOrphans(cluster, namespace, expiresMs, never), [orphan])

  t.equal(cluster.secrets.size, 0)
  t.strictSame(cluster.calls[0], {
    verb: 'listSecrets',
    request: { namespace, labelSelector: 'spark-stage/bundle' }
  })
})

t.test('whatever has not all the marks of ours is left alone', async t => {
  const strangers: Readonly<Record<string, object>> = {
    'another name': { name: 'spark-stage-x' },
    'a label that is no id': { labels: { 'spark-stage/bundle': 'x' } },
    'no label': { labels: {} },
    'no time': { annotations: {} },
    'a time that is none': { annotations: { 'spark-stage/expires-at': 'soon' } },
    'an owner': { owner: { name: 'driver', uid: 'u' } }
  }
  for (const [what, changes] of Object.entries(strangers)) {
    const cluster = clusterWith(changes)
    t.strictSame(await removeOrphans(cluster, namespace, expiresMs, never), [], what)
    t.equal(cluster.secrets.size, 1, what)
  }
  const bare = { listSecrets: async () => [{}, { metadata: {} }] }
  t.strictSame(await findOrphans(bare, namespace, never), [])
})

t.test('a Secret that a driver uses is given to it', async t => {
  const cluster = clusterWith()
  cluster.setPod(sparkPod('driver', 'pi-driver'))

  t.strictSame(await removeOrphans(cluster, namespace, expiresMs, never), [])

  t.strictSame(cluster.secrets.get(name)?.owner, { name: 'pi-driver', uid: 'uid-of-pi-driver' })
})

t.test('a Secret that executors still use stays', async t => {
  const cluster = clusterWith()
  cluster.setPod(sparkPod('executor', 'pi-exec-1'))

  t.strictSame(await removeOrphans(cluster, namespace, expiresMs, never), [])

  t.equal(cluster.secrets.get(name)?.owner, undefined)
})

t.test('who cannot ask for the pods removes nothing', async t => {
  const cluster = clusterWith()
  cluster.failures.set('listPods', 1)

  await t.rejects(removeOrphans(cluster, namespace, expiresMs, never), {
    exitCause: 'refused',
    message: 'cannot listPods'
  })

  t.equal(cluster.secrets.size, 1)
})

t.test('rm --orphans names what it removed', async t => {
  const cluster = clusterWith({ annotations: { 'spark-stage/expires-at': '2020-01-01T00:00:00.000Z' } })
  const options = { namespace, environment: {}, json: false }
  const run = async () => describeOrphans(await rmOrphans(options, never, async () => cluster))

  t.equal(await run(), `removed   Secret team-a/${name}`)
  t.equal(await run(), 'no expired Secrets without a pod in namespace team-a')
})

t.test('rm --orphans takes a namespace and no bundles', (t: Test) => {
  t.strictSame(readOrphansOptions({ orphans: true, namespace }, [], {}), {
    namespace,
    environment: {},
    json: false
  })
  t.equal(readOrphansOptions({}, ['team-a/1'], {}), undefined)
  t.throws(() => readOrphansOptions({ orphans: true, namespace }, ['team-a/1'], {}), {
    exitCause: 'usage',
    message: /takes no bundles/
  })
  t.throws(() => readOrphansOptions({ orphans: true }, [], {}), { message: /--namespace is missing/ })
  t.end()
})
