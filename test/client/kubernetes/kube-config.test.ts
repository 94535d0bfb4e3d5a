import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readKubeConfig } from '../../../client/kubernetes/kube-config.ts'

const clusters = [
  { name: 'one', cluster: { server: 'https://one.example:6443', 'certificate-authority-data': 'YQ==' } },
  { name: 'two', cluster: { server: 'https://two.example', 'proxy-url': 'http://own-proxy:3128' } },
  { name: 'open', cluster: { server: 'http://127.0.0.1:8001' } }
]
const users = [
  { name: 'alice', user: { token: 'token-of-alice' } },
  {
    name: 'bob',
    user: { 'client-certificate-data': 'Yg==', 'client-key-data': 'Yw==', exec: { command: 'login' } }
  }
]
const contexts = [
  { name: 'first', context: { cluster: 'one', user: 'alice' } },
  { name: 'second', context: { cluster: 'two', user: 'bob' } },
  { name: 'open', context: { cluster: 'open', user: 'alice' } }
]

/** Lets KUBECONFIG name files with these texts. */
async function withKubeConfigs(t: Test, ...configs: readonly unknown[]): Promise<string> {
  const folder = t.testdir({})
  const paths = configs.map((_, index) => join(folder, `config-${index}`))
  for (const [index, path] of paths.entries()) {
    const config = configs[index]
    await writeFile(path, typeof config === 'string' ? config : JSON.stringify(config))
  }
  const { KUBECONFIG: before } = process.env
  process.env['KUBECONFIG'] = paths.join(':')
  t.teardown(() => {
    if (before === undefined) delete process.env['KUBECONFIG']
    else process.env['KUBECONFIG'] = before
  })
  return folder
}

/** Lets no kubeconfig be found: neither named nor at home nor in a pod. */
async function withoutKubeConfig(t: Test): Promise<void> {
  const saved = { ...process.env }
  t.teardown(() => Object.assign(process.env, saved))
  delete process.env['KUBECONFIG']
  process.env['HOME'] = t.testdir({})
}

const whole = { clusters, users, contexts, 'current-context': 'first' }

t.test('the current context says where and who', async t => {
  await withKubeConfigs(t, whole)

  const config = readKubeConfig({})

  t.match(config.getCurrentCluster(), { server: 'https://one.example:6443', caData: 'YQ==' })
  t.match(config.getCurrentUser(), { token: 'token-of-alice' })
})

t.test('several files are one configuration', async t => {
  await withKubeConfigs(t, { clusters, 'current-context': 'second' }, { users, contexts })

  const config = readKubeConfig({})

  t.match(config.getCurrentCluster(), { server: 'https://two.example' })
  t.match(config.getCurrentUser(), { certData: 'Yg==', keyData: 'Yw==', exec: { command: 'login' } })
})

t.test('another context and another API server are taken in place of it', async t => {
  await withKubeConfigs(t, whole)

  const config = readKubeConfig({ context: 'second', apiServer: 'https://other.example:443/' })

  t.match(config.getCurrentCluster(), { server: 'https://other.example:443' })
  t.match(config.getCurrentUser(), { certData: 'Yg==' })
})

t.test("a submission's files and token are taken in place of what the kubeconfig has", async t => {
  await withKubeConfigs(t, { ...whole, 'current-context': 'second' })
  const files = { caCertFile: '/ca.crt', clientCertFile: '/tls.crt', clientKeyFile: '/tls.key' }

  const byFiles = readKubeConfig({ submission: { ...files, oauthTokenFile: '/token' } })
  const byToken = readKubeConfig({ submission: { oauthToken: 'secret' } })

  t.match(byFiles.getCurrentCluster(), { caFile: '/ca.crt', caData: undefined })
  const user = byFiles.getCurrentUser()
  t.match(user, { certFile: '/tls.crt', keyFile: '/tls.key' })
  t.match(user?.authProvider, { name: 'tokenFile', config: { tokenFile: '/token' } })
  t.same([user?.certData, user?.keyData, user?.exec], [undefined, undefined, undefined])
  t.match(byToken.getCurrentUser(), { token: 'secret', certData: 'Yg==', exec: undefined })
})

t.test('a proxy is that of the kubeconfig, or that of the environment', async t => {
  await withKubeConfigs(t, whole)
  const environment = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'excluded.example' }
  const proxyOf = (options: Parameters<typeof readKubeConfig>[0]) =>
    readKubeConfig({ environment, ...options }).getCurrentCluster()?.proxyUrl

  t.equal(proxyOf({}), 'http://proxy:3128/')
  t.equal(proxyOf({ context: 'second' }), 'http://own-proxy:3128')
  t.equal(proxyOf({ apiServer: 'https://excluded.example' }), undefined)
})

t.test('plain http is for loopback only', async t => {
  await withKubeConfigs(t, whole)

  t.match(readKubeConfig({ context: 'open' }).getCurrentCluster(), { skipTLSVerify: true })
  t.match(readKubeConfig({}).getCurrentCluster(), { skipTLSVerify: false })
  for (const apiServer of ['http://one.example:8001', 'one.example', 'ftp://one.example']) {
    t.throws(() => readKubeConfig({ apiServer }), { exitCause: 'usage', message: /loopback address/ })
  }
})

t.test('an unknown context is told with those there are', async t => {
  await withKubeConfigs(t, whole)

  t.throws(() => readKubeConfig({ context: 'third' }), {
    exitCause: 'usage',
    message: /no context "third"\n {2}expected: one of first, second, open/
  })
})

t.test('a kubeconfig that is none is told with its fault', async t => {
  await withKubeConfigs(t, 'clusters: [')

  t.throws(() => readKubeConfig({}), { exitCause: 'usage', message: /the kubeconfig cannot be used: / })
})

t.test('a context may have the name that the library gives to its guess', async t => {
  const context = { name: 'loaded-context', context: { cluster: 'one', user: 'alice' } }
  await withKubeConfigs(t, { clusters, users, contexts: [context], 'current-context': context.name })

  t.match(readKubeConfig({}).getCurrentCluster(), { server: 'https://one.example:6443' })
})

t.test('without a kubeconfig the API server has to be named', async t => {
  await withoutKubeConfig(t)

  t.throws(() => readKubeConfig({}), { exitCause: 'usage', message: /no cluster to ask/ })
  t.throws(() => readKubeConfig({ context: 'first' }), { message: /expected: a kubeconfig with contexts/ })
  const config = readKubeConfig({ apiServer: 'https://one.example', submission: { oauthToken: 'secret' } })
  t.match(config.getCurrentCluster(), { server: 'https://one.example' })
})
