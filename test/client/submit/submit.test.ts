import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { describeSubmit, submit } from '../../../client/commands/submit.ts'
import { StageServer } from '../../../client/http-client.ts'
import { readSubmitOptions } from '../../../client/options.ts'
import { Stopped } from '../../../client/stopped.ts'
import { JobWatch } from '../../../client/submit/job-watch.ts'
import { hashDependencies, stageFiles } from '../../../client/submit/stage-files.ts'
import type { SubmittedJob } from '../../../client/submit/submitting.ts'
import { credential, type StartOptions, startServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'
import { certificates } from '../certificates.ts'
import { answer, fakeBundleId, startFakeServer } from '../fake-server.ts'
import { FakeCluster, sparkPod } from './fake-cluster.ts'

const never = new AbortController().signal

/** A spark-submit that notes what it was given, and ends once the file `go` has its exit code. */
const fakeSparkSubmit = `#!${process.execPath}
const { readFileSync, writeFileSync, existsSync } = require('node:fs')
const folder = __dirname + '/../'
const args = process.argv.slice(2)
const templates = args.flatMap(arg => /podTemplateFile=file:\\/\\/(.*)$/.exec(arg)?.[1] ?? [])
const texts = templates.map(path => readFileSync(path, 'utf8'))
process.on('SIGTERM', () => process.exit(143))
process.on('SIGINT', () => process.exit(130))
writeFileSync(folder + 'ran.json', JSON.stringify({ args, texts, python: process.env.PYSPARK_PYTHON }))
const end = () => existsSync(folder + 'go') && process.exit(Number(readFileSync(folder + 'go', 'utf8')))
setInterval(end, 20)
end()
`

interface Ran {
  readonly args: readonly string[]
  readonly texts: readonly string[]
  readonly python?: string
}

interface PrepareOptions extends StartOptions {
  readonly env?: Readonly<Record<string, string>>
}

/** A server, a cluster, a Spark and some files; `go` says how spark-submit ends. */
async function prepare(t: Test, server: PrepareOptions = {}) {
  const { url, files } = await startServer(t, server)
  const home = await mkdtemp(join(tmpdir(), 'spark-stage-submit-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const contents = {
    'spark/bin/spark-submit': fakeSparkSubmit,
    upload: credential,
    'app.py': 'print(1)',
    'conf.json': '{}',
    'a/util.jar': 'one',
    'b/util.jar': 'another'
  }
  for (const [path, text] of Object.entries(contents)) {
    await mkdir(dirname(join(home, path)), { recursive: true })
    await writeFile(join(home, path), text)
  }
  await chmod(join(home, 'spark/bin/spark-submit'), 0o755)
  const cluster = new FakeCluster()
  const notes: string[] = []
  const report = {
    begin: () => ({ move: () => {}, end: () => {} }),
    note: (line: string) => void notes.push(line)
  }
  const spark = join(home, 'spark')
  const basics = [
    ...['--master', 'k8s://https://k8s.example:6443', '--deploy-mode', 'cluster'],
    ...['--conf', `spark.kubernetes.resourceStagingServer.uri=${url}`],
    ...['--conf', 'spark.kubernetes.initcontainer.image=stage/init:1'],
    ...['--conf', 'spark.kubernetes.namespace=team-a']
  ]
  const flags = { 'upload-token-file': join(home, 'upload'), 'give-up-seconds': '2' }
  const run = (args: readonly string[], more: Record<string, string | true> = {}, signal = never) => {
    const env = { PATH: process.env['PATH'], SPARK_HOME: spark, PYSPARK_PYTHON: './tool' }
    const options = { ...readSubmitOptions({ ...flags, ...more }, args, env), workingDirectory: home }
    return submit(options, async () => cluster, report, signal)
  }
  return {
    url,
    home,
    cluster,
    notes,
    files,
    basics,
    run,
    go: (code: number) => writeFile(join(spark, 'go'), String(code)),
    /** Resolves once spark-submit is under way. */
    started: () => until(() => existsSync(join(spark, 'ran.json'))),
    ran: async () => JSON.parse(await readFile(join(spark, 'ran.json'), 'utf8')) as Ran
  }
}

/** No Secret, no bundle that can be read, no forward and no watch is left. */
async function nothingLeft(t: Test, { cluster, files }: Awaited<ReturnType<typeof prepare>>): Promise<void> {
  t.equal(cluster.secrets.size, 0, 'no Secret')
  t.strictSame(
    (await files()).filter(path => /\/data\/|manifest/.test(path)),
    [],
    'no bytes'
  )
  t.equal(cluster.openForwards + cluster.openWatches, 0, 'no connection')
}

t.test('a job is staged, its Secret made and owned, and spark-submit run with the new names', async t => {
  const job = await prepare(t)
  await job.go(0)
  job.cluster.onCall = verb => {
    if (verb === 'watchPods')
      queueMicrotask(() => job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Succeeded' })))
  }

  const result = (await job.run([
    ...job.basics,
    '--jars',
    'a/util.jar,b/util.jar',
    '--files',
    'conf.json#c',
    'app.py'
  ])) as SubmittedJob

  t.match(result, { outcome: 'succeeded', exitCode: 0, driver: 'd', message: 'driver d succeeded' })
  t.equal(describeSubmit(result), 'driver d succeeded')
  const id = result.bundle.replace('team-a/', '')
  const { args, texts, python } = await job.ran()
  t.match(args.join(' '), `viewfs://spark-stage-${id}/app/app.py`)
  t.match(args.join(' '), `linkFallback=file:///var/spark-stage`)
  t.match(
    args.join(' '),
    /--jars viewfs:\/\/\S+\/jars\/util\.jar,viewfs:\/\/\S+\/jars\/util-[0-9a-f]{8}\.jar /
  )
  t.equal(texts.length, 2)
  for (const text of texts) t.match(text, new RegExp(`spark-stage/bundle: '?${id}'?\n`))
  t.equal(python, './tool')
  const secret = job.cluster.secrets.get(`spark-stage-${id}`)
  t.match(secret, {
    namespace: 'team-a',
    owner: { name: 'd', uid: 'uid-of-d' },
    labels: { 'spark-stage/bundle': id }
  })
  t.notMatch([...args, ...texts].join(), String(secret?.token))
  t.equal(job.cluster.openWatches, 0)
})

t.test('each step that fails leaves nothing, on the server and in the cluster', async t => {
  for (const verb of ['createSecret', 'forward', 'requestToken'] as const) {
    const job = await prepare(t)
    job.cluster.failures.set(verb, 1)
    const port = Number(new URL(job.url).port)
    job.cluster.forwardTo = { port, isTls: false }
    const flags =
      verb === 'createSecret'
        ? { server: 'k8s://stage/stage' }
        : { server: 'k8s://stage/stage', 'upload-token-file': '' }

    await t.rejects(job.run([...job.basics, 'app.py'], flags), {
      exitCause: 'refused',
      message: `cannot ${verb}`
    })

    await nothingLeft(t, job)
    await t.rejects(job.ran(), { code: 'ENOENT' }, 'spark-submit never ran')
  }
})

t.test('without a driver Secret and bundle go, with one they stay', async t => {
  for (const [code, exitCode] of [
    [0, 16],
    [1, 1]
  ] as const) {
    const job = await prepare(t)
    await job.go(code)

    const result = await job.run([...job.basics, 'app.py'])

    t.match(result, {
      outcome: 'failed',
      exitCode,
      message: /made no driver pod; the Secret and the bundle are removed/
    })
    await nothingLeft(t, job)
  }
})

t.test('what cannot be removed is named', async t => {
  const job = await prepare(t)
  await job.go(1)
  job.cluster.failures.set('deleteSecret', Number.POSITIVE_INFINITY)

  const result = await job.run([...job.basics, 'app.py'])

  t.match(result, {
    message: /not all is removed\nSecret spark-stage-\w+ could not be removed: cannot deleteSecret/
  })
})

t.test('when nobody can tell whether there is a driver, all stays', async t => {
  const job = await prepare(t)
  await job.go(0)
  job.cluster.failures.set('listPods', 1)

  const result = await job.run([...job.basics, 'app.py'])

  t.match(result, { outcome: 'unknown', exitCode: 14, message: /stay: cannot listPods/ })
  t.equal(job.cluster.secrets.size, 1)
  await job.go(2)
  job.cluster.failures.set('listPods', 1)
  t.match(await job.run([...job.basics, 'app.py']), { outcome: 'unknown', exitCode: 2 })
})

t.test('a driver whose init container failed is told in words, and ends with 16', async t => {
  const job = await prepare(t)
  await job.go(0)
  const terminated = { exitCode: 11, reason: 'Error', message: 'gone: bundle: revoked' }
  const failed = {
    phase: 'Failed',
    initContainerStatuses: [{ name: 'spark-stage-init', state: { terminated } }]
  }
  job.cluster.setPod(sparkPod('driver', 'd', failed))

  const result = await job.run([...job.basics, 'app.py'])

  const said = 'init container spark-stage-init ended with exit code 11 (gone): gone: bundle: revoked'
  t.match(result, { outcome: 'failed', exitCode: 16, message: `driver d failed: ${said}` })
  t.strictSame(job.notes, [], 'it is told once')
  t.equal(job.cluster.secrets.size, 1, 'it goes with the driver pod')
})

t.test('an executor that cannot fetch is told once while the job runs', async t => {
  const job = await prepare(t)
  const running = job.run([...job.basics, 'app.py'])
  await job.started()
  const terminated = { exitCode: 14, message: 'gaveUp' }
  const status = {
    phase: 'Failed',
    initContainerStatuses: [{ name: 'spark-stage-init', state: { terminated } }]
  }

  job.cluster.setPod(sparkPod('executor', 'e-1', status))
  job.cluster.setPod(sparkPod('executor', 'e-1', status))

  t.match(job.notes, [
    'executor e-1: init container spark-stage-init ended with exit code 14 (gaveUp): gaveUp'
  ])
  job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Running' }))
  job.cluster.deletePod('d')
  await job.go(0)
  t.match(await running, { outcome: 'failed', message: 'driver d was deleted before it ended', exitCode: 16 })
  t.equal(job.notes.length, 1)
})

t.test('a Secret is owned at the next event when the first attempt fails', async t => {
  const job = await prepare(t)
  job.cluster.failures.set('ownSecretByPod', 1)
  const running = job.run([...job.basics, 'app.py'])
  await job.started()

  job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Pending' }))
  await until(() => job.notes.length > 0)
  job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Running' }))
  await until(() => [...job.cluster.secrets.values()].some(({ owner }) => owner !== undefined))
  await job.go(0)

  t.match(await running, { outcome: 'running', exitCode: 0, message: /the job runs on: driver d is Running/ })
  t.match(job.notes, [/does not belong to the driver pod yet: cannot ownSecretByPod/])
})

t.test('a watch that is refused does not stop the job, and the Secret is owned at its end', async t => {
  const job = await prepare(t)
  await job.go(0)
  job.cluster.failures.set('watchPods', 1)
  job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Succeeded' }))

  t.match(await job.run([...job.basics, 'app.py']), { outcome: 'succeeded' })

  t.match(job.notes, ['the pods of this job cannot be watched: cannot watchPods'])
  t.match([...job.cluster.secrets.values()], [{ owner: { name: 'd' } }])
})

t.test('Ctrl-C before a driver removes all; with a driver the job runs on', async t => {
  for (const hasDriver of [false, true]) {
    const job = await prepare(t)
    const stop = new AbortController()
    const running = job.run([...job.basics, 'app.py'], {}, stop.signal)
    await job.started()
    if (hasDriver) job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Running' }))

    stop.abort(new Stopped('SIGTERM'))

    const message = hasDriver ? /^spark-submit ended with 143; the job runs on/ : /no driver pod/
    t.match(await running, { exitCode: 143, outcome: hasDriver ? 'running' : 'failed', message })
    if (hasDriver) t.equal(job.cluster.secrets.size, 1)
    else await nothingLeft(t, job)
  }
})

t.test('Ctrl-C before spark-submit leaves nothing', async t => {
  const job = await prepare(t)
  const stop = new AbortController()
  job.cluster.onCall = verb => verb === 'createSecret' && stop.abort(new Stopped('SIGINT'))

  await t.rejects(job.run([...job.basics, 'app.py'], {}, stop.signal), {
    message: 'stopped; no job was submitted'
  })

  await nothingLeft(t, job)
  await t.rejects(job.ran(), { code: 'ENOENT' })
})

t.test('a server behind k8s:// is reached by a forward, with a token of the service account', async t => {
  const job = await prepare(t)
  await job.go(0)
  job.cluster.forwardTo = { port: Number(new URL(job.url).port), isTls: false }
  job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Succeeded' }))
  const own = ['--conf', 'spark.kubernetes.authenticate.driver.serviceAccountName=spark']

  const run = job.run([...job.basics, ...own, 'app.py'], { server: 'k8s://stage/stage-server:7000' })

  t.match(await run, { outcome: 'succeeded' })
  const [text = ''] = (await job.ran()).texts
  t.match(text, 'http://stage-server.stage.svc:7000')
  t.match(text, /SPARK_STAGE_ALLOW_PLAINTEXT\n\s+value: 'true'/)
  t.equal(job.cluster.openForwards, 0)
  await t.rejects(
    job.run([...job.basics, ...own, 'app.py'], {
      server: 'k8s://stage/stage-server',
      'upload-token-file': ''
    })
  )
  const asked = job.cluster.calls.find(({ verb }) => verb === 'requestToken')
  t.match(asked?.request, { namespace: 'team-a', serviceAccount: 'spark', audience: 'spark-stage' })
})

t.test('a dry run asks nobody and touches nothing', async t => {
  const job = await prepare(t)

  const result = await job.run([...job.basics, '--jars', 'a/util.jar,b/util.jar', 'app.py'], {
    'dry-run': true
  })

  t.match(result, {
    staged: 'dry run',
    namespace: 'team-a',
    files: [{ path: 'app/app.py' }, { path: 'jars/util.jar' }, { path: /jars\/util-[0-9a-f]{8}\.jar/ }]
  })
  const text = describeSubmit(result)
  t.match(text, 'viewfs://spark-stage-<bundle-id>/jars/util.jar')
  t.match(text, /# driver.yaml\napiVersion: v1/)
  const flags = { 'dry-run': true, server: 'k8s://stage/stage:7000' } as const
  t.match(await job.run([...job.basics, 'app.py'], flags), { server: 'k8s://stage/stage:7000' })
  t.match(await job.run([...job.basics, 'app.py'], { ...flags, server: 'k8s://stage/stage' }), {
    server: 'k8s://stage/stage'
  })
  t.strictSame(job.cluster.calls, [])
  await nothingLeft(t, job)
  await t.rejects(job.ran(), { code: 'ENOENT' })
})

t.test('with nothing to stage spark-submit gets its arguments as they are', async t => {
  for (const args of [
    ['--version'],
    ['--master', 'k8s://https://k', '--deploy-mode', 'cluster', 'local:///app.py', 'x  y'],
    ['--master', 'k8s://https://k', 'app.py'],
    ['run-example', 'SparkPi'],
    ['--nonsense']
  ]) {
    const job = await prepare(t)
    await job.go(3)

    const result = await job.run(args)

    t.match(result, { staged: false, exitCode: 3 })
    t.strictSame((await job.ran()).args, args)
    t.equal(describeSubmit(result), job.notes.join())
    t.strictSame(job.cluster.calls, [])
    t.match(await job.run(args, { 'dry-run': true }), { staged: false, exitCode: 0 })
  }
})

t.test('everything that is wrong is said at once, and nothing is asked', async t => {
  const job = await prepare(t)
  await writeFile(join(job.home, 'pod.yaml'), 'kind: Deployment\n')
  await writeFile(join(job.home, 'clash.yaml'), 'spec: {volumes: [{name: spark-stage}]}')
  const cluster = ['--master', 'k8s://https://k8s.example', '--deploy-mode', 'cluster']
  const template = (role: string, path: string) => [
    '--conf',
    `spark.kubernetes.${role}.podTemplateFile=${path}`
  ]

  const error = await job
    .run([
      ...job.basics,
      ...template('driver', 'pod.yaml'),
      ...template('executor', 's3a://b/pod.yaml'),
      '--jars',
      'a,none.jar',
      'app.py'
    ])
    .catch(caught => caught)
  t.match(error, { exitCause: 'usage' })
  for (const part of [
    '--jars "a": this is a directory',
    '"none.jar": there is no such file',
    'expected a Pod, found kind "Deployment"',
    '"s3a://b/pod.yaml" cannot be read from here'
  ])
    t.match(error.message, part)

  const bare = await job
    .run([...cluster, '--conf', 'spark.kubernetes.namespace=A_B', 'app.py'])
    .catch(caught => caught)
  for (const part of ['no staging server is named', 'no init image is named', '"A_B" is no namespace'])
    t.match(bare.message, part)

  const wrongs: readonly (readonly [readonly string[], RegExp, Record<string, string>?])[] = [
    [template('driver', 'none.yaml'), /"none.yaml": there is no such file/],
    [template('driver', 'file:pod.yaml'), /begins with/],
    [template('driver', 'local:///etc'), /the file cannot be read \(EISDIR\)/],
    [template('executor', 'clash.yaml'), /a volume named spark-stage, which is ours/],
    [['--conf', 'spark.kubernetes.resourceStagingServer.internal.uri=k8s://a/b'], /pods reach the server by/],
    [[], /expected k8s:\/\/NAMESPACE\/SERVICE or/, { server: 'k8s://stage' }],
    [[], /expected http:\/\/HOST:PORT, .* found "ftp:\/\/x"/, { server: 'ftp://x' }],
    [[], /secrets come from files/, { server: 'http://me:hunter2@x' }],
    [[], /cross the network readable to http:\/\/stage.example/, { server: 'http://stage.example' }]
  ]
  for (const [args, message, flags = {}] of wrongs) {
    await t.rejects(job.run([...job.basics, ...args, 'app.py'], flags), { exitCause: 'usage', message })
  }
  for (const master of [['--master', 'yarn'], []]) {
    await t.rejects(job.run([...master, 'app.py']), { message: /only jobs on Kubernetes can be staged/ })
  }
  t.strictSame(job.cluster.calls, [])
  await nothingLeft(t, job)
})

t.test('private authorities go into the pods, and an account may be named', async t => {
  const job = await prepare(t)
  await job.go(0)
  await writeFile(join(job.home, 'ca.pem'), certificates.good)
  await writeFile(join(job.home, 'pod.yaml'), 'spec: {serviceAccountName: of-the-template}')
  job.cluster.setPod(sparkPod('driver', 'd', { phase: 'Succeeded' }))
  const own = [
    ...['--conf', 'spark.kubernetes.resourceStagingServer.internal.uri=https://stage.stage.svc:10000'],
    ...['--conf', 'spark.kubernetes.driver.podTemplateFile=pod.yaml']
  ]
  const flags = { 'ca-file': join(job.home, 'ca.pem') }

  await job.run([...job.basics, ...own, 'app.py'], flags)

  const { texts } = await job.ran()
  for (const text of texts) t.match(text, /SPARK_STAGE_CA_FILE\n\s+value: \/etc\/spark-stage\/ca.crt/)
  t.match(texts[0], 'BEGIN CERTIFICATE')
  await job.run([...job.basics, ...own, 'app.py'], { ...flags, 'dry-run': true })
  const asking = job.run([...job.basics, ...own, 'app.py'], { 'upload-token-file': '', server: 'k8s://a/b' })
  await t.rejects(asking)
  const named = job.run([...job.basics, 'app.py'], { 'upload-token-file': '', 'service-account': 'me' })
  await t.rejects(named, { exitCause: 'refused', message: /the server refused the request/ })
  const asked = job.cluster.calls.filter(({ verb }) => verb === 'requestToken').map(({ request }) => request)
  t.match(asked, [{ serviceAccount: 'of-the-template' }, { serviceAccount: 'me' }])
})

t.test('a file that goes away, and a manifest that lacks one, are told', async t => {
  const job = await prepare(t)
  const quiet = { begin: () => ({ move: () => {}, end: () => {} }), note: () => {} }
  const file = (path: string) => ({ kind: 'files', path: join(job.home, path), name: path }) as const

  await t.rejects(hashDependencies([file('none')], quiet, never), {
    exitCause: 'usage',
    message: /\(ENOENT\)/
  })

  const hashed = await hashDependencies([file('conf.json')], quiet, never)
  const { url } = await startFakeServer(t, (request, response) => {
    if (request.method !== 'GET') return false
    answer(response, 200, { bundleId: fakeBundleId, namespace: 'team-a', createdAt: '', entries: [] })
    return true
  })
  await using server = await StageServer.open({ url: new URL(url), giveUpMs: 1000, onRetry: () => {} })
  const request = { namespace: 'team-a', parallelCount: 1, files: hashed }
  const staged = stageFiles(server, request, () => {}, quiet, never)
  await t.rejects(staged, { message: /manifest lacks files\/conf.json/ })
})

t.test('what fails, and then cannot be cleaned up either, is told in one', async t => {
  const job = await prepare(t)
  job.cluster.failures.set('createSecret', 1).set('deleteSecret', 1)

  const message = /cannot createSecret\nSecret spark-stage-\w+ could not be removed: cannot deleteSecret/
  await t.rejects(job.run([...job.basics, 'app.py']), { exitCause: 'refused', message })
})

t.test('a server behind k8s:// that speaks TLS is asked by https', async t => {
  const job = await prepare(t)
  job.cluster.forwardTo = { port: Number(new URL(job.url).port), isTls: true }

  const run = job.run([...job.basics, 'app.py'], { server: 'k8s://stage/stage' })

  await t.rejects(run, { message: /https:\/\/127.0.0.1/ })
  await nothingLeft(t, job)
})

t.test('a watch that ends as it was told to is no trouble, nor is an attempt that it cut short', async t => {
  const stop = new AbortController()
  const notes: string[] = []
  const cluster = new FakeCluster()
  cluster.onCall = verb => {
    if (verb !== 'ownSecretByPod') return
    stop.abort()
    throw new Error('aborted')
  }
  cluster.setPod(sparkPod('driver', 'd'))
  cluster.failures.set('watchPods', 1)
  const watch = new JobWatch(cluster, { namespace: 'n', bundleId: 'b', secretName: 's' }, line =>
    notes.push(line)
  )

  t.match(await watch.findDriver(stop.signal), { isThere: true })
  await watch.follow(stop.signal)

  t.strictSame(notes, [])
})

t.test('without any credential the server decides', async t => {
  const job = await prepare(t)

  const run = job.run([...job.basics, 'app.py'], { 'upload-token-file': '' })

  await t.rejects(run, { exitCause: 'refused', message: /the server refused the request/ })
  t.strictSame(
    job.cluster.calls.map(({ verb }) => verb),
    ['listSecrets'],
    'no token was asked for'
  )
})

t.test('what an earlier submission left goes with the next one; that it may not stops nobody', async t => {
  const job = await prepare(t)
  await job.go(0)
  const left = {
    namespace: 'team-a',
    name: 'spark-stage-0123456789abcdef0123456789abcdef',
    labels: { 'spark-stage/bundle': '0123456789abcdef0123456789abcdef' },
    annotations: { 'spark-stage/expires-at': '2020-01-01T00:00:00.000Z' },
    token: 'secret'
  }
  job.cluster.secrets.set(left.name, left)

  await job.run([...job.basics, 'app.py'])
  t.notOk(job.cluster.secrets.has(left.name))
  t.ok(job.notes.includes(`Secret ${left.name} of an earlier submission has expired: removed`))

  job.cluster.secrets.set(left.name, left)
  job.cluster.failures.set('listSecrets', 1)
  t.match(await job.run([...job.basics, 'app.py']), { staged: true })
  t.ok(job.cluster.secrets.has(left.name))
  t.ok(job.notes.includes('Secrets that earlier submissions left are not looked for: cannot listSecrets'))
})

t.test('who stops while leftovers are looked for has submitted nothing', async t => {
  const job = await prepare(t)
  job.cluster.onCall = verb => {
    if (verb === 'listSecrets') throw new Stopped('SIGINT')
  }

  await t.rejects(job.run([...job.basics, 'app.py']), { name: 'Stopped' })

  await nothingLeft(t, job)
})
