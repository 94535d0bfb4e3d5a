import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { describeAccessRule, parseAccessRule } from '../../../server/identity/access-rule.ts'
import { openCluster } from '../../../server/identity/kubernetes-cluster.ts'
import { call, stage } from '../../helpers/call.ts'
import { FakeKubernetesApi } from '../../helpers/fake-kubernetes-api.ts'
import { startServer } from '../../helpers/start-server.ts'

t.test('a server without a cluster says what it looked for', async t => {
  const nowhere = JSON.stringify({ clusters: [], contexts: [], users: [] })
  await t.rejects(openCluster(nowhere), { message: /no Kubernetes cluster.*KUBECONFIG/ })
  await t.rejects(openCluster('{'), { message: /the kubeconfig cannot be used/ })
})

t.test('an API server that is silent, or sends one elsewhere, gives no answer', async t => {
  const api = await FakeKubernetesApi.start(t)
  const cluster = await api.cluster()
  api.disturb = () => 'hang'
  await t.rejects(cluster.ask('/api/v1/pods', undefined, 50), { message: /gave no answer: TimeoutError/ })
  api.disturb = () => ({ status: 302, body: {} })
  await t.rejects(cluster.ask('/api/v1/pods', { token: 'secret' }), { message: /gave no answer/ })
  await api.close()

  await t.rejects(cluster.ask('/api/v1/pods'), { message: /gave no answer: ECONNREFUSED/ })
})

t.test('an API server that does not speak TLS where it should gives no answer', async t => {
  const api = await FakeKubernetesApi.start(t)
  const kubeconfig = api.kubeconfig.replace('http:', 'https:').replace('verify":true', 'verify":false')

  await t.rejects((await openCluster(kubeconfig)).ask('/api/v1/pods'), { message: /gave no answer: E/ })
})

t.test('what is asked with needs a credential that can be had', async t => {
  const api = await FakeKubernetesApi.start(t)
  const kubeconfig = api.kubeconfig.replace(
    '"insecure-skip-tls-verify":true',
    '"insecure-skip-tls-verify":false'
  )
  const cluster = await openCluster(kubeconfig)

  await t.rejects(cluster.ask('/api/v1/pods'), { message: /no credential to ask the API server/ })
})

t.test('an access rule is a verb and a resource, with its group if it has one', async t => {
  t.same(parseAccessRule('create pods'), { verb: 'create', resource: 'pods', group: '' })
  for (const text of ['create pods', 'create sparkapplications.sparkoperator.k8s.io']) {
    t.equal(describeAccessRule(parseAccessRule(text)), text)
  }
  for (const text of ['create', 'create pods in', 'Create pods', 'create pods.', '']) {
    t.throws(() => parseAccessRule(text), { message: /expected "verb resource"/ })
  }
})

t.test('a server asks the cluster of the kubeconfig that KUBECONFIG names', async t => {
  const api = await FakeKubernetesApi.start(t)
  api.tokens.set('token-of-bob-11', { username: 'bob', audiences: ['spark-stage'], namespaces: ['team-a'] })
  const file = join(t.testdir(), 'kubeconfig')
  await writeFile(file, api.kubeconfig)
  t.intercept(process, 'env', { value: { ...process.env, KUBECONFIG: file } })
  const server = await startServer(t, { env: { SPARK_STAGE_UPLOAD_AUTH: 'kubernetes' } })

  const staged = await stage(server, [['files', 'a', '1']], { credential: 'token-of-bob-11' })

  t.equal(staged.status, 201)
  t.match(
    (await call(server, 'GET', '/metrics')).bytes.toString(),
    /spark_stage_owner_watches\{state="broken"\} 0/
  )
})
