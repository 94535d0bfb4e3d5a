import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import t, { type Test } from 'tap'
import { serviceAccountKey } from '../cluster/certificates.ts'
import { useCluster } from '../cluster/cluster.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { expectCode } from './helpers/expect-code.ts'
import { installInstance } from './helpers/instance.ts'
import { type JobNamespace, makeBareNamespace, makeJobNamespace } from './helpers/job-namespace.ts'
import { runStage } from './helpers/stage-command.ts'
import { stageAndSubmit, submitter } from './helpers/stage-submit.ts'

const cluster = await useCluster()
const instance = await installInstance(cluster, { overlay: 'local-disk', namespace: 'stage-rights' })
const own = await makeJobNamespace(t, cluster, 'own')
const foreign = await makeBareNamespace(t, cluster, 'foreign')
const kubeconfig = await submitter(cluster)

t.test('who may create pods in a namespace stages there', async t => {
  const ending = await put(t, own, await tokenFile(t))

  expectCode(t, ending, 0)
  t.match(JSON.parse(ending.stdout), { bundleId: /^[0-9a-f]{32}$/ })
})

t.test('who may not create pods there is told which right is missing', async t => {
  const { code, stderr } = await put(t, foreign, await tokenFile(t))

  t.equal(code, 10)
  t.match(stderr, /create pods/)
  t.match(stderr, foreign.name)
})

t.test('who may not have a token of the service account is told so, and nothing is left', async t => {
  const [version] = sparkVersions
  const file = join(await outsideFolder(t), 'app.py')
  await writeFile(file, 'print(1)\n')

  const { code, stderr } = await stageAndSubmit(t, cluster, {
    version,
    namespace: { ...foreign, serviceAccount: 'spark' },
    instance,
    args: [file]
  })

  t.equal(code, 10)
  t.match(stderr, /create serviceaccounts\/token/)
  t.match(stderr, foreign.name)
  const left = ['get', 'pods,secrets', '--namespace', foreign.name, '--output', 'name']
  t.equal(await cluster.kubectl(...left), '')
})

t.test('a token for another audience proves nothing', async t => {
  const { code, stderr } = await put(t, own, await tokenFile(t, '--audience=another'))

  t.equal(code, 10)
  t.match(stderr, /STAGE_ERR_CREDENTIAL|credential/)
})

t.test('an expired token proves nothing', async t => {
  const valid = await readFile(await tokenFile(t), 'utf8')
  const { exp: _exp, iat: _iat, nbf: _nbf, ...claims } = jwt.decode(valid.trim()) as jwt.JwtPayload
  const header = jwt.decode(valid.trim(), { complete: true })?.header
  const nowSeconds = Math.floor(Date.now() / 1000)
  const times = { iat: nowSeconds - 7200, nbf: nowSeconds - 7200, exp: nowSeconds - 3600 }
  const key = await readFile(serviceAccountKey)
  const sign = (more: object) =>
    jwt.sign({ ...claims, ...more }, key, { algorithm: 'RS256', keyid: header?.kid ?? '' })
  const fresh = { iat: nowSeconds, nbf: nowSeconds, exp: nowSeconds + 3600 }

  const good = await put(t, own, await writeToken(t, sign(fresh)))
  const bad = await put(t, own, await writeToken(t, sign(times)))

  t.equal(good.code, 0, 'signed in the same way, but not expired, it is good')
  t.equal(bad.code, 10)
})

t.test('while the API server is away nobody is admitted, and what is staged is served', async t => {
  const token = await tokenFile(t)
  const service = ['get', 'service', instance.name, '--namespace', instance.namespace]
  const address = await cluster.kubectl(...service, '--output', 'jsonpath={.spec.clusterIP}')
  const env = { SPARK_STAGE_SERVER: `http://${address}:10000` }
  // The answer to who this is may be remembered for some seconds: this token is a new one.
  await cluster.stopApiServer()
  t.teardown(() => cluster.startApiServer())

  const more = ['--allow-plaintext', '--give-up-seconds', '8']
  const ending = await put(t, own, token, more, env)
  await cluster.startApiServer()
  const after = await put(t, own, token, ['--allow-plaintext'], env)

  expectCode(t, ending, 14)
  t.match(ending.stderr, /STAGE_ERR_IDENTITY|503/)
  expectCode(t, after, 0)
})

async function put(
  t: Test,
  namespace: JobNamespace,
  token: string,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {}
) {
  const folder = await outsideFolder(t)
  const file = join(folder, 'a.txt')
  await writeFile(file, 'staged\n')
  const options = ['--namespace', namespace.name, '--upload-token-file', token, '--file', file]
  const args = ['put', ...options, '--token-out', join(folder, 'token'), '--json', ...more]
  return await runStage(t, cluster, { instance, kubeconfig, args, env })
}

/** A token of the drivers' account in `own`, by kubectl. */
async function tokenFile(t: Test, audience = `--audience=${instance.name}`): Promise<string> {
  const of = ['create', 'token', own.serviceAccount, '--namespace', own.name, audience]
  return await writeToken(t, await cluster.kubectl(...of))
}

async function writeToken(t: Test, token: string): Promise<string> {
  const file = join(await outsideFolder(t), 'upload-token')
  await writeFile(file, token.trim())
  return file
}
