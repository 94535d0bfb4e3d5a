import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import t, { type Test } from 'tap'
import { chooseMarks, type DoctorResult, describeCheck, doctor } from '../../client/commands/doctor.ts'
import { checkConnection, endpointOf } from '../../client/doctor/check-network.ts'
import { type CheckLine, Examination } from '../../client/doctor/examination.ts'
import type { Flags } from '../../client/option-values.ts'
import { readDoctorOptions } from '../../client/options.ts'
import { stage } from '../helpers/call.ts'
import { credential, otherCredential, startServer } from '../helpers/start-server.ts'
import { certificates } from './certificates.ts'
import { answer, answerError, type Fault, fakeBundleId, fakeToken, startFakeServer } from './fake-server.ts'
import { startHttps, startTunnel } from './https-server.ts'
import { runClient } from './run-client.ts'

const never = new AbortController().signal
const namespace = 'team-a'

/** Examines; every secret of these tests must be absent from what it says. */
async function examine(t: Test, flags: Flags, env: NodeJS.ProcessEnv = {}): Promise<DoctorResult> {
  const seen: CheckLine[] = []
  const result = await doctor(
    () => readDoctorOptions({ namespace, ...flags }, env),
    line => seen.push(line),
    never
  )
  t.strictSame(seen, result.checks, 'each line was told')
  for (const secret of [credential, otherCredential, fakeToken, 'hunter2'])
    t.notOk(JSON.stringify(result).includes(secret))
  return result
}

/** The line of one check. */
function line({ checks }: DoctorResult, check: string): CheckLine | undefined {
  return checks.find(candidate => candidate.check === check)
}

/** Each check's state, by name. */
function states({ checks }: DoctorResult): Readonly<Record<string, string>> {
  return Object.fromEntries(checks.map(({ check, state }) => [check, state]))
}

/** A fake server that is live and ready, lists nothing and otherwise does as `fault` says. */
function healthy(fault: Fault = () => false): Fault {
  return (request, response, number) => {
    if (fault(request, response, number)) return true
    if (request.url === '/livez') answer(response, 200, { status: 'live' })
    else if (request.url === '/readyz') answer(response, 200, { status: 'ready' })
    else answer(response, 200, { bundles: [] })
    return true
  }
}

/** A real server with a bundle, and files with the secrets. */
async function prepare(t: Test) {
  const server = await startServer(t)
  const cwd = t.testdir()
  const files = await Promise.all(
    [
      ['upload', credential],
      ['foreign', otherCredential]
    ].map(async ([name = '', text = '']) => {
      await writeFile(join(cwd, name), text, { mode: 0o600 })
      return [name, join(cwd, name)]
    })
  )
  const paths: Readonly<Record<string, string>> = Object.fromEntries(files)
  const stageWith = async (content: string) => {
    const { json } = await stage(server, [['files', 'a', content]])
    await writeFile(join(cwd, 'token'), json.token, { mode: 0o600 })
    return { bundle: `team-a/${json.bundleId}`, 'token-file': join(cwd, 'token') }
  }
  return { server, cwd, upload: String(paths['upload']), foreign: String(paths['foreign']), stageWith }
}

t.test('everything passes between a client and its server', async t => {
  const { server, upload, stageWith } = await prepare(t)
  const download = await stageWith('content')

  const result = await examine(t, { server: server.url, 'upload-token-file': upload, ...download })

  t.equal(result.exitCode, 0)
  t.strictSame(states(result), {
    options: 'passed',
    'upload token': 'passed',
    'download token': 'passed',
    secrecy: 'passed',
    name: 'passed',
    connection: 'passed',
    alive: 'passed',
    ready: 'passed',
    clock: 'passed',
    credential: 'passed',
    bundle: 'passed'
  })
  t.match(line(result, 'credential'), { message: 'the credential may use namespace team-a' })
  t.match(line(result, 'bundle'), { message: 'the token opens it: 1 entry, 7 B' })
})

t.test('a bundle alone can be examined, and be empty', async t => {
  const { server, cwd } = await prepare(t)
  const { json } = await stage(server, [
    ['files', 'a', ''],
    ['files', 'b', '']
  ])
  await writeFile(join(cwd, 'token'), json.token, { mode: 0o600 })
  const bundle = `team-a/${json.bundleId}`

  const result = await examine(t, {
    server: server.url,
    namespace: undefined,
    bundle,
    'token-file': join(cwd, 'token')
  })

  t.equal(result.exitCode, 0)
  t.equal(line(result, 'credential'), undefined)
  t.match(line(result, 'bundle'), { message: 'the token opens it: 2 entries, 0 B' })
})

t.test('options that are missing end the examination', async t => {
  const result = await examine(t, {})

  t.match(result, {
    exitCode: 2,
    checks: [{ check: 'options', state: 'failed', message: /--server is missing/ }]
  })
  t.equal(result.checks.length, 1)
})

t.test('a token file is found missing, empty or readable by others', async t => {
  const { server, cwd, upload } = await prepare(t)
  await writeFile(join(cwd, 'empty'), '')
  await chmod(upload, 0o640)

  const missing = await examine(t, { server: server.url, 'upload-token-file': join(cwd, 'gone') })
  const empty = await examine(t, { server: server.url, 'upload-token-file': join(cwd, 'empty') })
  const open = await examine(t, { server: server.url, 'upload-token-file': upload })

  t.match(line(missing, 'upload token'), { state: 'failed', message: /cannot be read \(ENOENT\)/ })
  t.match(line(missing, 'credential'), { state: 'skipped', message: 'not checked, because of: upload token' })
  t.match(line(empty, 'upload token'), { state: 'failed', message: /found nothing/ })
  t.equal(empty.exitCode, 2)
  t.match(line(open, 'upload token'), { state: 'warned', message: `(mode 640): chmod 600 ${upload}` })
  t.equal(open.exitCode, 0, 'a warning is no failure')
})

t.test('a credential that is unknown, absent or for another namespace is refused', async t => {
  const { server, cwd, foreign } = await prepare(t)
  await writeFile(join(cwd, 'unknown'), 'hunter2', { mode: 0o600 })

  const unknown = await examine(t, { server: server.url, 'upload-token-file': join(cwd, 'unknown') })
  const absent = await examine(t, { server: server.url })
  const other = await examine(t, { server: server.url, 'upload-token-file': foreign })

  for (const result of [unknown, absent]) {
    t.match(line(result, 'credential'), { state: 'failed', message: /STAGE_ERR_CREDENTIAL/ })
    t.equal(result.exitCode, 10)
  }
  t.match(line(other, 'credential'), {
    state: 'failed',
    message: /STAGE_ERR_FORBIDDEN[\s\S]*what to do: Use a/
  })
})

t.test('a token of another bundle opens nothing', async t => {
  const { server, upload, stageWith } = await prepare(t)
  const { bundle } = await stageWith('one')
  const other = await stageWith('two')

  const result = await examine(t, { server: server.url, 'upload-token-file': upload, ...other, bundle })

  t.match(line(result, 'bundle'), { state: 'failed', message: /STAGE_ERR_TOKEN/, exitCause: 'refused' })
  t.equal(result.exitCode, 10)
})

t.test('secrets are not sent over plain http to another machine', async t => {
  const dir = t.testdir({ token: fakeToken })
  const flags = {
    server: 'http://stage.invalid',
    bundle: `team-a/${fakeBundleId}`,
    'token-file': join(dir, 'token')
  }

  const refused = await examine(t, flags)
  const allowed = await examine(t, { ...flags, 'allow-plaintext': true })

  t.match(states(refused), {
    secrecy: 'failed',
    name: 'failed',
    connection: 'skipped',
    credential: 'skipped'
  })
  t.match(line(refused, 'name'), { message: /^the server's host stage\.invalid has no address \(E/ })
  t.match(line(refused, 'bundle'), { message: 'not checked, because of: secrecy' })
  t.equal(refused.exitCode, 2)
  t.match(line(allowed, 'secrecy'), { state: 'passed', message: /as --allow-plaintext says/ })
  t.equal(allowed.exitCode, 14)
})

t.test('a port where nothing listens is told from a host that is unknown', async t => {
  const result = await examine(t, { server: 'http://localhost:1' })

  t.match(line(result, 'name'), { state: 'passed', message: /^localhost is .*(127\.0\.0\.1|::1)/ })
  t.match(line(result, 'connection'), {
    state: 'failed',
    message: /no connection to localhost port 1 \(ECONNREFUSED\)/
  })
  t.match(line(result, 'alive'), { state: 'skipped', message: 'not checked, because of: connection' })
  t.equal(result.exitCode, 14)
})

t.test('a certificate is trusted only with its authority', async t => {
  const dir = t.testdir({ ca: certificates.good, bad: 'no certificate' })
  const port = await startHttps(t, 'good', (request, response) => healthy()(request, response, 1))
  const server = `https://localhost:${port}`

  const trusted = await examine(t, { server, 'ca-file': join(dir, 'ca') })
  const untrusted = await examine(t, { server })
  const bad = await examine(t, { server, 'ca-file': join(dir, 'bad') })

  t.equal(trusted.exitCode, 0)
  t.match(line(trusted, 'certificate'), { message: /^trusted for localhost, ends in \d+ d$/ })
  t.match(line(untrusted, 'certificate'), {
    state: 'failed',
    message: /found: one signed by certificate of the tests\n {2}what to do: Name the authority/,
    exitCause: 'usage'
  })
  t.match(states(untrusted), { alive: 'skipped', credential: 'skipped' })
  t.match(states(bad), { authorities: 'failed', connection: 'passed', certificate: 'skipped' })
})

t.test('a certificate that has ended says so', async t => {
  const dir = t.testdir({ ca: certificates.ended })
  const port = await startHttps(t, 'ended', (request, response) => healthy()(request, response, 1))

  const ended = await examine(t, { server: `https://localhost:${port}`, 'ca-file': join(dir, 'ca') })

  t.match(line(ended, 'certificate'), {
    state: 'failed',
    message:
      /CERT_HAS_EXPIRED\)\n {2}expected: a certificate for today\n {2}found: one from 2020-01-01T00:00:00\.000Z to 2020-02-01/
  })
  t.equal(ended.exitCode, 2)
})

t.test('a certificate for other names says for which', async t => {
  const dir = t.testdir({ ca: certificates.good })
  const port = await startHttps(t, 'good', (request, response) => healthy()(request, response, 1))
  const endpoint = { host: 'other.localhost', port, what: 'server' } as const
  const { checkCertificate } = await t.mockImport<typeof import('../../client/doctor/check-network.ts')>(
    '../../client/doctor/check-network.ts',
    {
      'node:tls': {
        connect: (options: ConnectionOptions) => connect({ ...options, host: '127.0.0.1' })
      }
    }
  )

  await t.rejects(checkCertificate(endpoint, await readFile(join(dir, 'ca'), 'utf8'), never), {
    message: /expected: a certificate for other\.localhost\n {2}found: one for .*DNS:stage\.example/
  })
})

t.test('https to a port of plain http says so', async t => {
  const server = await startFakeServer(t, healthy())

  const result = await examine(t, { server: server.url.replace('http:', 'https:') })

  t.match(line(result, 'certificate'), { state: 'failed', message: /no TLS on port \d+ \(ERR_SSL_/ })
  t.strictSame(server.requests, [])
})

t.test('behind a proxy the way to the proxy is checked, and its password is not shown', async t => {
  const dir = t.testdir({ ca: certificates.good, bad: '' })
  const port = await startHttps(t, 'good', (request, response) => healthy()(request, response, 1))
  const tunnel = await startTunnel(t, port)
  const env = { HTTPS_PROXY: tunnel.url.replace('//', '//user:hunter2@') }
  const server = 'https://stage.example'

  const result = await examine(t, { server, 'ca-file': join(dir, 'ca') }, env)
  const bad = await examine(t, { server, 'ca-file': join(dir, 'bad') }, env)

  t.equal(result.exitCode, 0)
  t.match(line(result, 'options'), { message: /through the proxy 127\.0\.0\.1:\d+, namespace team-a$/ })
  t.match(line(result, 'connection'), { message: /^the proxy accepts/ })
  t.equal(line(result, 'certificate'), undefined)
  t.match(line(bad, 'alive'), { state: 'skipped', message: 'not checked, because of: authorities' })
})

t.test('a server that is not ready says why', async t => {
  const cases = [
    [{ failed: ['storeWritable', 'other'] }, /not ready: its store cannot be written, "other"\n/],
    [{}, /the server answered 503/]
  ] as const
  for (const [body, message] of cases) {
    const server = await startFakeServer(
      t,
      healthy((request, response) => {
        if (request.url === '/readyz') answer(response, 503, body)
        return request.url === '/readyz'
      })
    )

    const result = await examine(t, { server: server.url })

    t.match(line(result, 'ready'), { state: 'failed', message, exitCause: 'gaveUp' })
    t.match(states(result), { credential: 'passed' })
    t.equal(result.exitCode, 14)
  }
})

t.test('clocks that differ by more than a minute are found', async t => {
  const cases = [
    [3_600_000 + 5000, { state: 'failed', message: /^the clock of this machine is 60 min behind that of/ }],
    [-90_000, { state: 'failed', message: /^the clock of this machine is 90 s ahead of that of/ }],
    [undefined, { state: 'warned', message: /no Date header/ }]
  ] as const
  for (const [aheadMs, expected] of cases) {
    const server = await startFakeServer(
      t,
      healthy((_request, response) => {
        if (aheadMs === undefined) response.sendDate = false
        else response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString())
        return false
      })
    )

    const result = await examine(t, { server: server.url })

    t.match(line(result, 'clock'), expected)
    t.match(states(result), { credential: 'passed' })
    t.equal(result.exitCode, aheadMs === undefined ? 0 : 2)
  }
})

t.test('something else than a spark-stage server is told', async t => {
  const page = await startFakeServer(t, (_request, response) => {
    response.end('<html>hello</html>')
    return true
  })
  const failing = await startFakeServer(t, (_request, response) => {
    answerError(response, 404, 'STAGE_ERR_NOT_FOUND')
    return true
  })

  const other = await examine(t, { server: page.url })
  const wrongPrefix = await examine(t, { server: `${failing.url}/prefix` })

  t.match(line(other, 'alive'), { state: 'failed', message: /^this is no spark-stage server\n/ })
  t.match(line(wrongPrefix, 'alive'), {
    state: 'failed',
    message: /STAGE_ERR_NOT_FOUND/,
    exitCause: 'refused'
  })
  t.strictSame(
    failing.requests.map(({ path }) => path),
    ['/prefix/livez']
  )
})

t.test('an examination stops when it is asked to', async t => {
  const endpoint = { host: '127.0.0.1', port: 1, what: 'server' } as const
  const stop = AbortSignal.abort()
  const options = () => readDoctorOptions({ server: 'https://127.0.0.1:1', namespace }, {})

  await t.rejects(checkConnection(endpoint, stop), { name: 'AbortError' })
  await t.rejects(
    doctor(options, () => {}, stop),
    { name: 'AbortError' }
  )
})

t.test('a connection that does not open in time says so', async t => {
  const { checkConnection: checkSlow } = await t.mockImport<
    typeof import('../../client/doctor/check-network.ts')
  >('../../client/doctor/check-network.ts', {
    'node:events': {
      once: () => Promise.reject(Object.assign(new Error('timeout'), { name: 'AbortError' }))
    },
    'node:net': { connect: () => ({ destroy: () => {} }), isIP: () => 4 }
  })

  await t.rejects(checkSlow({ host: 'stage.example', port: 443, what: 'server' }, never), {
    exitCause: 'gaveUp',
    message: /^no connection to stage\.example port 443 \(no answer within 10 s\)/
  })
})

t.test('a URL without a port leads to that of its scheme', async t => {
  t.match(endpointOf(new URL('https://[fd00::1]'), 'server'), { host: 'fd00::1', port: 443 })
  t.match(endpointOf(new URL('http://proxy.example'), 'proxy'), { host: 'proxy.example', port: 80 })
})

t.test('a fault of the program is no line of the examination', async t => {
  const fault = new TypeError('a fault')
  const examination = new Examination(() => t.fail('told'))

  await t.rejects(
    examination.check('options', [], () => {
      throw fault
    }),
    fault
  )
})

t.test('a line has its mark, and what to do below it', async t => {
  const failed = { check: 'ready', state: 'failed', message: 'not ready\n  what to do: wait' } as const

  t.equal(
    describeCheck(failed, chooseMarks(undefined, undefined)),
    'FAIL ready           not ready\n      what to do: wait'
  )
  t.match(describeCheck({ ...failed, state: 'passed' }, chooseMarks(true, '')), '✓')
  t.match(describeCheck(failed, chooseMarks(true, undefined)), '✗')
  t.match(describeCheck(failed, chooseMarks(true, '1')), /^FAIL/)
})

t.test('spark-stage doctor works as a process, in ASCII away from a terminal, and as JSON', async t => {
  const { server, cwd } = await prepare(t)
  const args = ['doctor', '--server', server.url, '--namespace', namespace, '--upload-token-file']

  const [passed, failed] = await Promise.all([
    runClient([...args, 'upload'], cwd),
    runClient([...args, 'foreign', '--json'], cwd)
  ])

  t.match(passed, { code: 0, stderr: '' })
  t.match(
    passed.stdout,
    /^ok {3}options +http:[\s\S]*\nok {3}credential +the credential may use namespace team-a\n$/
  )
  t.match(passed.stdout, /^[\x20-\x7e\n]+$/)
  t.match(failed, { code: 10, stderr: '' })
  t.match(JSON.parse(failed.stdout), { exitCode: 10, checks: [{ check: 'options', state: 'passed' }] })
  for (const secret of [credential, otherCredential])
    t.notOk((passed.stdout + failed.stdout).includes(secret))
})
