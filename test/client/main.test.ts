import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { chmod, readdir, readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import t, { type Test } from 'tap'
import { answer, answerError, fakeBundleId, fakeToken, startFakeServer } from './fake-server.ts'
import { runClient } from './run-client.ts'

const bundle = `team-a/${fakeBundleId}`

t.test('put prints bundle, token file and expiry, and the token only reaches its file', async t => {
  const server = await startFakeServer(t)
  const cwd = t.testdir({ 'app.py': 'print(1)', 'conf.json': '{}' })

  const run = await runClient(
    ['put', '--app', 'app.py', '--file', 'conf.json#c', '--server', server.url],
    cwd,
    {
      SPARK_STAGE_NAMESPACE: 'team-a'
    }
  )

  t.equal(run.code, 0, run.stderr)
  const tokenFile = `./spark-stage-${fakeBundleId}.token`
  t.match(run.stdout, `bundle    ${bundle}\ntoken     ${tokenFile}\nexpires   2030-01-01`)
  t.match(run.stdout, 'uploaded  10 B of 10 B\n')
  t.notMatch(run.stdout + run.stderr, fakeToken)
  t.equal(await readFile(join(cwd, tokenFile), 'utf8'), `${fakeToken}\n`)
  t.equal((await stat(join(cwd, tokenFile))).mode & 0o777, 0o600)
})

t.test('put --json prints one object, nothing else and no token', async t => {
  const server = await startFakeServer(t)
  const cwd = t.testdir({ 'a.jar': 'aaa' })
  const args = [
    'put',
    '--jar',
    'a.jar',
    '--server',
    server.url,
    '--namespace',
    'team-a',
    '--token-out',
    't',
    '--json'
  ]

  const run = await runClient(args, cwd)

  t.equal(run.code, 0, run.stderr)
  t.equal(run.stderr, '')
  t.match(JSON.parse(run.stdout), {
    bundle,
    bundleId: fakeBundleId,
    namespace: 'team-a',
    server: server.url,
    tokenFile: 't',
    expiresAt: '2030-01-01T00:00:00.000Z',
    entries: [{ kind: 'jars', name: 'a.jar', path: 'jars/a.jar', sizeBytes: 3 }],
    uploadedBytes: 3,
    totalBytes: 3
  })
  t.notMatch(run.stdout, fakeToken)
  t.equal(await readFile(join(cwd, 't'), 'utf8'), `${fakeToken}\n`)
})

t.test('what the server has already is not uploaded, and the result says so', async t => {
  const server = await startFakeServer(t)
  const cwd = t.testdir({ 'a.jar': 'aaa', 'ca.pem': String(rootCertificates[0]) })
  server.blobs.set(createHash('sha256').update('aaa').digest('hex'), Buffer.from('aaa'))
  const args = [
    'put',
    '--jar',
    'a.jar',
    '--server',
    server.url,
    '--namespace',
    'team-a',
    '--ca-file',
    'ca.pem'
  ]

  const run = await runClient(args, cwd)

  t.equal(run.code, 0, run.stderr)
  t.match(run.stdout, 'uploaded  0 B of 3 B; the rest was there already')
})

t.test('away from a terminal put writes plain lines', async t => {
  const server = await startFakeServer(t)
  const cwd = t.testdir({ 'a.jar': 'aaa' })

  const run = await runClient(['put', '--jar', 'a.jar', '--server', server.url, '--namespace', 'team-a'], cwd)

  t.match(run.stderr, /^Hashing: 3 B of 3 B.*\nUploading: 3 B of 3 B.*\n$/)
  t.notMatch(run.stderr, '\u001b')
})

t.test('the cause of a failure decides the exit code', async t => {
  const cases = [
    { status: 401, code: 'STAGE_ERR_CREDENTIAL', exit: 10 },
    { status: 410, code: 'STAGE_ERR_GONE', exit: 11 },
    { status: 507, code: 'STAGE_ERR_NO_SPACE', exit: 13 },
    { status: 503, code: 'STAGE_ERR_STOPPING', exit: 14 }
  ]
  for (const { status, code, exit } of cases) {
    t.test(`${status} ${code} ends with ${exit}`, async t => {
      const server = await startFakeServer(t, (_request, response) => {
        answerError(response, status, code, { expected: 'this', found: 'that', todo: 'do it' })
        return true
      })
      const cwd = t.testdir({ 'a.jar': 'aaa' })
      const args = [
        'put',
        '--jar',
        'a.jar',
        '--server',
        server.url,
        '--namespace',
        'team-a',
        '--give-up-seconds',
        '1'
      ]

      const run = await runClient(args, cwd)

      t.equal(run.code, exit, run.stderr)
      t.match(run.stderr, code)
      t.equal(run.stdout, '')
      t.strictSame(await readdir(cwd), ['a.jar'], 'no token file')
    })
  }
})

t.test('a server that cannot be reached is given up', async t => {
  const cwd = t.testdir({ 'a.jar': 'aaa' })
  const args = [
    'put',
    '--jar',
    'a.jar',
    '--server',
    'http://127.0.0.1:1',
    '--namespace',
    'team-a',
    '--give-up-seconds',
    '1'
  ]

  const run = await runClient(args, cwd)

  t.equal(run.code, 14)
  t.match(
    run.stderr,
    /gave up after 1 s without progress: no answer from http:\/\/127.0.0.1:1: .*ECONNREFUSED/
  )
})

t.test('a wrong command line ends with 2 and says what is wrong', async t => {
  const put = ['put', '--server', 'http://127.0.0.1:1', '--namespace', 'team-a']
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[], 'Usage: spark-stage'],
    [['put', '--bogus'], "unknown option '--bogus'"],
    [[...put, '--jar', 'missing.jar'], '--jar "missing.jar": there is no such file']
  ]
  for (const [args, text] of cases) {
    const run = await runClient(args, t.testdir())
    t.equal(run.code, 2, args.join(' '))
    t.match(run.stderr, text)
    t.equal(run.stdout, '')
  }
})

t.test('--help of a command names every option and ends with 0', async t => {
  const run = await runClient(['put', '--help'], t.testdir())

  t.equal(run.code, 0)
  t.match(run.stdout, '--archive <FILE[#ALIAS]>')
  t.match(run.stdout.replaceAll(/\s+/g, ' '), 'in. (DNS label; SPARK_STAGE_NAMESPACE)')
})

t.test('Ctrl-C ends an upload cleanly with 130', async t => {
  const interrupt: (() => void)[] = []
  const server = await startFakeServer(t, request => {
    if (request.method === 'PUT') for (const kill of interrupt) kill()
    return request.method === 'PUT'
  })
  const cwd = t.testdir({ 'a.jar': 'aaa' })
  const args = ['put', '--jar', 'a.jar', '--server', server.url, '--namespace', 'team-a']

  const run = await runClient(args, cwd, {}, child => interrupt.push(() => child.kill('SIGINT')))

  t.equal(run.code, 130)
  t.match(run.stderr, 'spark-stage: stopped')
  t.strictSame(await readdir(cwd), ['a.jar'])
})

t.test('a token that cannot be written is not the end of its bundle', async t => {
  const cwd = t.testdir({ 'a.jar': 'aaa', out: {} })
  const server = await startFakeServer(t, request => {
    if (request.url?.endsWith('/commit')) rmSync(join(cwd, 'out'), { recursive: true })
    return false
  })
  const args = [
    'put',
    '--jar',
    'a.jar',
    '--server',
    server.url,
    '--namespace',
    'team-a',
    '--token-out',
    'out/t'
  ]

  const run = await runClient(args, cwd)

  t.equal(run.code, 1)
  t.match(
    run.stderr,
    `spark-stage: bundle ${bundle} is staged, but its token could not be written to "out/t" (ENOENT)`
  )
  t.notMatch(run.stderr, fakeToken)
})

t.test('--version tells the version of package.json and ends with 0', async t => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))

  const run = await runClient(['--version'], t.testdir())

  t.same(run, { code: 0, stdout: `${version}\n`, stderr: '' })
})

t.test('a fault of the program itself ends with 1 and its stack', async t => {
  const { NODE_OPTIONS = '' } = process.env
  const broken = '--import=data:text/javascript,URL.parse=()=>{throw(new(TypeError)(String.raw`broken`))}'
  const args = ['put', '--jar', 'a.jar', '--server', 'http://127.0.0.1:1']

  const run = await runClient(args, t.testdir(), {
    NODE_OPTIONS: `${NODE_OPTIONS} ${broken}`
  })

  t.equal(run.code, 1)
  t.match(run.stderr, /spark-stage: TypeError: broken\n +at /)
})

t.test('submit hands spark-submit what is not ours, and its exit code back', async t => {
  const cwd = t.testdir({ 'app.py': '', 'spark-submit': '#!/bin/sh\necho "$@"\nexit 7\n' })
  await chmod(join(cwd, 'spark-submit'), 0o755)
  const submit = ['submit', '--spark-submit', './spark-submit']

  const run = await runClient([...submit, '--', '--version', '-v'], cwd)
  const json = await runClient([...submit, '--json', '--', '--version'], cwd)

  t.match(run, { code: 7, stdout: '--version -v\n', stderr: /nothing to stage/ })
  t.match(json, { code: 7, stderr: '--version\n' })
  t.match(JSON.parse(json.stdout), { staged: false, exitCode: 7 })
})

t.test('submit --dry-run prints files, command and templates, or one object', async t => {
  const cwd = t.testdir({ 'app.py': 'print(1)', 'spark-submit': '' })
  await chmod(join(cwd, 'spark-submit'), 0o755)
  const args = [
    ...['submit', '--dry-run', '--spark-submit', './spark-submit', '--server', 'k8s://a/b'],
    ...['--', '--master', 'k8s://k', '--deploy-mode', 'cluster'],
    ...['-c', 'spark.kubernetes.initcontainer.image=i', 'app.py']
  ]

  const run = await runClient(args, cwd)
  const json = await runClient(args.toSpliced(1, 0, '--json'), cwd)

  t.match(run, { code: 0, stdout: /viewfs:[\s\S]*# driver\.yaml/ })
  t.match(JSON.parse(json.stdout), { staged: 'dry run', server: 'k8s://a/b', totalBytes: 8 })
})

t.test('submit looks at the driver: what became of it, and the exit code', async t => {
  const server = await startFakeServer(t, (request, response) => {
    if (request.method === 'DELETE') answer(response, 200, {})
    return request.method === 'DELETE'
  })
  for (const [phase, code] of [
    ['Succeeded', 0],
    ['Failed', 16]
  ] as const) {
    const pod = { metadata: { name: 'd', uid: 'u', labels: { 'spark-role': 'driver' } }, status: { phase } }
    const apiServer = await startApiServer(t, [pod])
    const cwd = t.testdir({ 'app.py': '', 'spark-submit': '#!/bin/sh\n', kubeconfig: kubeconfig(apiServer) })
    await chmod(join(cwd, 'spark-submit'), 0o755)
    const args = [
      ...['submit', '--spark-submit', './spark-submit', '--server', server.url, '--give-up-seconds', '5'],
      ...['--', '--master', `k8s://${apiServer}`, '--deploy-mode', 'cluster'],
      ...['-c', 'spark.kubernetes.initcontainer.image=i', '-c', 'spark.kubernetes.namespace=team-a', 'app.py']
    ]

    const run = await runClient(args, cwd, { KUBECONFIG: join(cwd, 'kubeconfig') })

    t.equal(run.code, code, run.stderr)
    t.match(run.stderr, code === 0 ? 'driver d succeeded' : 'spark-stage: driver d failed')
    t.notMatch(run.stdout + run.stderr, fakeToken)
  }
})

/** An API server that knows some pods, and to which all else is right. */
async function startApiServer(t: Test, items: readonly object[]): Promise<string> {
  const server = createServer((request, response) => {
    request.resume()
    const isWatch = request.url?.includes('watch=') === true
    response.writeHead(200, { 'content-type': 'application/json' })
    if (isWatch) response.flushHeaders()
    else response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function kubeconfig(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x'
  })
}
