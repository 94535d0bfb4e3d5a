import { writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { Cluster, openCluster } from '../../../client/kubernetes/cluster.ts'
import type { JobCluster } from '../../../client/submit/job-cluster.ts'
import { type FakeAnswer, FakeApiServer, refused } from '../../helpers/fake-cluster/fake-api-server.ts'
import { channels, greet, message } from '../../helpers/fake-cluster/fake-kubelet.ts'
import { until } from '../../helpers/until.ts'

const never = new AbortController().signal
const secret = { namespace: 'team-a', name: 'spark-stage-1' }
const secretsPath = '/api/v1/namespaces/team-a/secrets'
const tokenPath = '/api/v1/namespaces/team-a/serviceaccounts/spark/token'
const tokenRequest = { namespace: 'team-a', serviceAccount: 'spark', audience: 'spark-stage', seconds: 600 }

/** A cluster whose API server answers this, by `GET /api/v1/…`. */
async function startCluster(t: Test, answers: Readonly<Record<string, FakeAnswer>> = {}) {
  const api = await FakeApiServer.start(t)
  for (const [request, answer] of Object.entries(answers)) api.answers.set(request, answer)
  const cluster: Cluster & JobCluster = new Cluster(api.config())
  return { api, cluster }
}

t.test('it is the one of the kubeconfig', async t => {
  const { api } = await startCluster(t, {
    'GET /api/v1/namespaces/team-a/pods': { body: { items: [], metadata: {} } }
  })
  const path = join(t.testdir({}), 'config')
  await writeFile(path, api.config().exportConfig())
  const { KUBECONFIG: before = '' } = process.env
  process.env['KUBECONFIG'] = path
  t.teardown(() => {
    process.env['KUBECONFIG'] = before
  })

  const cluster = openCluster({})

  t.equal(cluster.apiServer, api.url)
  t.same(await cluster.listPods({ namespace: 'team-a', labelSelector: '' }, never), [])
  t.equal(api.requests[0]?.headers.authorization, 'Bearer token-of-the-kubeconfig')
})

t.test('a token is asked for by the TokenRequest API', async t => {
  const answer = { status: 201, body: { status: { token: 'jwt' } } }
  const { api, cluster } = await startCluster(t, { [`POST ${tokenPath}`]: answer })

  t.equal(await cluster.requestToken(tokenRequest, never), 'jwt')

  t.match(api.requests[0]?.body, { spec: { audiences: ['spark-stage'], expirationSeconds: 600 } })
  api.answers.set(`POST ${tokenPath}`, { status: 201, body: {} })
  await t.rejects(cluster.requestToken(tokenRequest, never), { message: /answered without a token/ })
})

t.test('a missing right is named, and what to do without it', async t => {
  const reason = 'serviceaccounts "spark" is forbidden: User "alice" cannot create resource'
  const { cluster } = await startCluster(t, { [`POST ${tokenPath}`]: refused(403, reason) })

  await t.rejects(cluster.requestToken(tokenRequest, never), {
    name: 'ClientError',
    exitCause: 'refused',
    message:
      /^cannot create serviceaccounts\/token in namespace "team-a"[\s\S]*User "alice"[\s\S]*--upload-token-file/
  })
})

t.test('a Secret is made once, and nobody changes its token', async t => {
  const { api, cluster } = await startCluster(t, { [`POST ${secretsPath}`]: { status: 201, body: {} } })
  const metadata = { labels: { 'spark-stage/bundle': '1' }, annotations: { 'spark-stage/expires-at': 'x' } }

  await cluster.createSecret({ ...secret, ...metadata, token: 'secret' }, never)

  t.match(api.requests[0]?.body, {
    metadata: { name: secret.name, ...metadata },
    type: 'Opaque',
    immutable: true,
    stringData: { token: 'secret' }
  })
})

t.test('a Secret goes with its pod', async t => {
  const { api, cluster } = await startCluster(t, { [`PATCH ${secretsPath}/${secret.name}`]: { body: {} } })

  await cluster.ownSecretByPod({ ...secret, pod: { name: 'driver', uid: 'u-1' } }, never)

  const [request] = api.requests
  t.equal(request?.headers['content-type'], 'application/merge-patch+json')
  t.same(request?.body, {
    metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'driver', uid: 'u-1' }] }
  })
})

t.test('a Secret is removed; one that is gone is fine, one that may not be removed is not', async t => {
  const answers = [{ body: {} }, refused(404, 'gone'), refused(403, 'no')]
  const { api, cluster } = await startCluster(t)
  api.answers.set(`DELETE ${secretsPath}/${secret.name}`, answers)

  await cluster.deleteSecret(secret, never)
  await cluster.deleteSecret(secret, never)
  await t.rejects(cluster.deleteSecret(secret, never), { exitCause: 'refused', message: /found: no/ })

  t.equal(api.requests.length, 3)
})

t.test('Secrets and pods are listed by their labels', async t => {
  const listOf = (name: string) => ({ body: { items: [{ metadata: { name } }], metadata: {} } })
  const { api, cluster } = await startCluster(t, {
    [`GET ${secretsPath}`]: listOf('secret'),
    'GET /api/v1/namespaces/team-a/pods': listOf('pod')
  })
  const selection = { namespace: 'team-a', labelSelector: 'spark-stage/bundle' }

  const secrets = await cluster.listSecrets(selection, never)
  const pods = await cluster.listPods(selection, never)

  t.same(
    [...secrets, ...pods].map(({ metadata }) => metadata?.name),
    ['secret', 'pod']
  )
  t.same(
    api.requests.map(({ query }) => query.get('labelSelector')),
    ['spark-stage/bundle', 'spark-stage/bundle']
  )
})

t.test('pods are watched from a list', async t => {
  const { api, cluster } = await startCluster(t)
  const listed = { metadata: { resourceVersion: '7' }, items: [{ metadata: { name: 'driver' } }] }
  const answers = [{ body: listed }, (response: ServerResponse) => response.flushHeaders()]
  api.answers.set('GET /api/v1/namespaces/team-a/pods', answers)
  const controller = new AbortController()
  const told: unknown[] = []
  const onPod: Parameters<JobCluster['watchPods']>[0]['onPod'] = (type, pod) => {
    told.push([type, pod.metadata?.name])
  }
  const watching = cluster.watchPods({ namespace: 'team-a', labelSelector: 'a=b', onPod }, controller.signal)
  await until(() => api.requests.length === 2)

  controller.abort()
  await watching

  t.same(told, [['ADDED', 'driver']])
  t.equal(api.requests[1]?.query.get('resourceVersion'), '7')
})

t.test('who gave up asks nothing any more', async t => {
  const controller = new AbortController()
  const stop = () => controller.abort(new Error('enough'))
  const { api, cluster } = await startCluster(t, { 'GET /api/v1/namespaces/team-a/pods': stop })

  await t.rejects(cluster.listPods({ ...secret, labelSelector: '' }, controller.signal), {
    message: 'enough'
  })
  await t.rejects(cluster.deleteSecret(secret, controller.signal), { message: 'enough' })

  t.equal(api.requests.length, 1)
})

const service = {
  spec: { selector: { app: 'stage' }, ports: [{ name: 'https', port: 443, targetPort: 10_000 }] }
}
const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const target = { namespace: 'stage', service: 'stage' }
const one = { metadata: { name: 'stage-1' }, status: ready }
const behind = (...items: readonly object[]) => ({
  'GET /api/v1/namespaces/stage/services/stage': { body: service },
  'GET /api/v1/namespaces/stage/pods': { body: { items, metadata: {} } }
})

t.test("a forwarded port leads to a ready pod of the Service's", async t => {
  const { api, cluster } = await startCluster(t, behind({ metadata: { name: 'stage-0' } }, one))
  const paths: string[] = []
  api.onForward = (webSocket, path) => {
    paths.push(path)
    greet(webSocket)
    webSocket.on('message', () => {
      webSocket.send(message(channels.bytes, 'answer'))
      webSocket.close(1000)
    })
  }

  const forward = await cluster.forward(target, never)
  t.teardown(() => forward.close())
  const socket = connect(forward.port, '127.0.0.1')
  socket.write('question')

  t.equal((await buffer(socket)).toString(), 'answer')
  t.ok(forward.isTls)
  t.equal(paths.at(-1), '/api/v1/namespaces/stage/pods/stage-1/portforward?ports=10000')
  t.equal(api.requests[1]?.query.get('labelSelector'), 'app=stage')
})

t.test('why a later connection failed is told, to whoever wants to hear it', async t => {
  const { api, cluster } = await startCluster(t, behind(one))
  api.onForward = greet
  const lines: string[] = []
  const told = await cluster.forward({ ...target, onFailure: line => lines.push(line) }, never)
  const untold = await cluster.forward(target, never)
  t.teardown(() => Promise.all([told.close(), untold.close()]))
  api.refusal = { status: 404, body: '{"message":"pods \\"stage-1\\" not found"}' }

  for (const { port } of [told, untold]) {
    const socket = connect(port, '127.0.0.1')
    t.equal((await buffer(socket)).length, 0)
  }

  t.equal(lines.length, 1)
  t.match(
    lines[0],
    /^cannot get pods\/portforward "stage-1" in namespace "stage"\n.*pods "stage-1" not found/
  )
})

t.test('a Service without a ready pod, or that is not there, cannot be forwarded to', async t => {
  const { cluster } = await startCluster(t, behind({ metadata: { name: 'stage-0' } }))

  await t.rejects(cluster.forward(target, never), {
    exitCause: 'gaveUp',
    message: /^no pod of Service stage\/stage is ready\n.*1 pods, none of them ready/
  })
  await t.rejects(cluster.forward({ ...target, service: 'other' }, never), {
    exitCause: 'usage',
    message: /^cannot get services "other" in namespace "stage"/
  })
})

t.test('a way that is refused is found out before anything is forwarded', async t => {
  const { api, cluster } = await startCluster(t, behind(one))
  api.refusal = { status: 403, body: '{"message":"User \\"alice\\" cannot"}' }

  await t.rejects(cluster.forward(target, never), {
    exitCause: 'refused',
    message: /^cannot get pods\/portforward in namespace "stage"\n.*User "alice" cannot/
  })
})

t.test('an API server that is away is named', async t => {
  const { api } = await startCluster(t)
  const away = new Cluster(api.config('https://127.0.0.1:2'))

  await t.rejects(away.listSecrets({ ...secret, labelSelector: '' }, never), {
    exitCause: 'gaveUp',
    message: /^the API server https:\/\/127\.0\.0\.1:2 cannot be reached: .*ECONNREFUSED/
  })
})
