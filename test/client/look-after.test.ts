import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { describeList, ls } from '../../client/commands/ls.ts'
import { describeRenewed, renew } from '../../client/commands/renew.ts'
import { describeRemoved, rm } from '../../client/commands/rm.ts'
import { describeToken, token } from '../../client/commands/token.ts'
import { exitCodeOfAll } from '../../client/each-bundle.ts'
import { readBundlesOptions, readListOptions, readTokenOptions } from '../../client/options.ts'
import { openReport } from '../../shared/progress.ts'
import { dayMs, hourMs } from '../../shared/units.ts'
import { download, stage } from '../helpers/call.ts'
import { credential, startServer } from '../helpers/start-server.ts'
import { TestClock } from '../helpers/test-clock.ts'
import { answer, fakeBundleId, startFakeServer } from './fake-server.ts'
import { runClient } from './run-client.ts'

const never = new AbortController().signal
const absent = `team-a/${fakeBundleId}`

/** A real server, and the flags of its uploader. */
async function prepare(t: Test) {
  const clock = new TestClock()
  const server = await startServer(t, { clock })
  const cwd = t.testdir()
  await writeFile(join(cwd, 'upload'), credential, { mode: 0o600 })
  const stageOne = async (name: string) => {
    const { json } = await stage(server, [['files', name, name]])
    return { name: `team-a/${json.bundleId}`, id: json.bundleId as string, token: json.token as string }
  }
  const flags = { server: server.url, 'upload-token-file': join(cwd, 'upload'), 'give-up-seconds': '1' }
  return { server, clock, cwd, flags, stageOne, report: await openReport('quiet', process.stderr) }
}

t.test('ls lists every bundle of the namespace, the newest first, in an aligned table', async t => {
  const { clock, flags, stageOne, report } = await prepare(t)
  const old = await stageOne('old')
  clock.advance(3 * hourMs)
  const young = await stageOne('young')

  const result = await ls(readListOptions({ ...flags, namespace: 'team-a' }, {}), report, never)

  t.strictSame(
    result.bundles.map(({ bundle }) => bundle),
    [young.name, old.name]
  )
  const lines = describeList(result, clock.now()).split('\n')
  t.match(lines[0], /^BUNDLE {33} {2}STATE {6}PRINCIPAL {2}SIZE {2}CREATED {2}EXPIRES$/)
  t.match(lines[1], new RegExp(`^${young.name}  committed  alice      5 B   now      in \\d+ d$`))
  t.match(lines[2], new RegExp(`^${old.name}  committed  alice      3 B   3 h ago  in \\d+ d$`))
})

t.test('ls shows no size for a draft', t => {
  const time = '2030-01-01T00:00:00.000Z'
  const row = {
    bundleId: '1',
    bundle: 'ns/1',
    state: 'draft',
    principal: 'p',
    createdAt: time,
    expiresAt: time
  }

  const table = describeList({ namespace: 'ns', server: '', bundles: [row] }, Date.parse(time))

  t.match(table, /\nns\/1 +draft +p +now/)
  t.end()
})

t.test('ls says so when there is nothing', async t => {
  const { flags, report } = await prepare(t)

  const result = await ls(readListOptions({ ...flags, namespace: 'team-b' }, {}), report, never)

  t.strictSame(result.bundles, [])
  t.equal(describeList(result, 0), 'no bundles in namespace team-b')
})

t.test('ls reads every page', async t => {
  const ids = Array.from({ length: 3 }, (_, index) => String(index).padStart(32, '0'))
  const time = '2030-01-01T00:00:00.000Z'
  const server = await startFakeServer(t, (request, response) => {
    const { searchParams } = new URL(String(request.url), 'http://x')
    const at = ids.indexOf(searchParams.get('after') ?? '') + 1
    const row = { bundleId: ids[at], state: 'draft', principal: 'p', createdAt: time, expiresAt: time }
    answer(response, 200, { bundles: [row], ...(at < 2 ? { next: ids[at] } : {}) })
    return true
  })
  const options = readListOptions({ server: server.url, namespace: 'team-a' }, {})

  const { bundles } = await ls(options, await openReport('quiet', process.stderr), never)

  t.strictSame(
    bundles.map(({ bundleId }) => bundleId),
    ids
  )
})

t.test('rm revokes each bundle, goes on after a failure and ends with its exit code', async t => {
  const { server, flags, stageOne, report } = await prepare(t)
  const [one, two] = [await stageOne('one'), await stageOne('two')]
  const seen: string[] = []

  const outcomes = await rm(
    readBundlesOptions('rm', flags, [one.name, absent, `team-c/${two.id}`, two.name], {}),
    report,
    outcome => seen.push(outcome.bundle),
    never
  )

  t.match(outcomes, [
    { removed: true },
    { error: { exitCode: 11 } },
    { error: { exitCode: 10 } },
    { removed: true }
  ])
  t.strictSame(seen, [one.name, absent, `team-c/${two.id}`, two.name])
  t.equal(exitCodeOfAll(outcomes), 11)
  t.equal(describeRemoved(one && { bundle: one.name }), `removed   ${one.name}`)
  t.equal((await download(server, one.id, one.token)).status, 410)
  t.equal((await download(server, two.id, two.token)).status, 410)
})

t.test('rm stops when it is asked to', async t => {
  const { server, flags, stageOne, report } = await prepare(t)
  const { name, id, token: secret } = await stageOne('one')
  const options = readBundlesOptions('rm', flags, [name], {})

  await t.rejects(
    rm(options, report, () => t.fail('told'), AbortSignal.abort()),
    { name: 'AbortError' }
  )

  t.equal((await download(server, id, secret)).status, 200)
})

t.test('renew gives a full lease and says when it ends', async t => {
  const { clock, flags, stageOne, report } = await prepare(t)
  const { name } = await stageOne('one')
  clock.advance(dayMs)
  const options = readBundlesOptions('renew', flags, [name, absent], {})

  const outcomes = await renew(options, report, () => {}, never)

  const expiresAt = new Date(clock.now() + 7 * dayMs).toISOString()
  t.match(outcomes, [
    { bundle: name, expiresAt },
    { bundle: absent, error: { exitCode: 11 } }
  ])
  t.equal(
    describeRenewed({ bundle: name, expiresAt }, clock.now()),
    `renewed   ${name}\nexpires   ${expiresAt} (in 7 d)`
  )
})

t.test('token writes a token that opens the bundle, for its owner alone', async t => {
  const { server, cwd, flags, stageOne, report } = await prepare(t)
  const { name, id } = await stageOne('one')
  const options = readTokenOptions({ ...flags, 'token-out': join(cwd, '<id>.token') }, name, {})

  const result = await token(options, report, never)

  const path = join(cwd, `${id}.token`)
  const secret = (await readFile(path, 'utf8')).trim()
  t.equal((await stat(path)).mode & 0o777, 0o600)
  t.equal((await download(server, id, secret)).status, 200)
  t.match(describeToken(result), `bundle    ${name}\ntoken     ${path}\nexpires   20`)
  t.notOk(JSON.stringify(result).includes(secret))
})

t.test('token leaves no file behind when there is no such bundle', async t => {
  const { cwd, flags, report } = await prepare(t)
  const options = readTokenOptions({ ...flags, 'token-out': join(cwd, 't') }, absent, {})

  await t.rejects(token(options, report, never), { name: 'ClientError', exitCause: 'gone' })

  t.strictSame(await readdir(cwd), ['upload'])
})

t.test('a fault of the program is not taken for the failure of one bundle', async t => {
  const { eachBundle } = await import('../../client/each-bundle.ts')
  const fault = new TypeError('a fault')

  const bundles = [{ namespace: 'team-a', bundleId: fakeBundleId }]
  await t.rejects(
    eachBundle(
      bundles,
      () => Promise.reject(fault),
      () => t.fail('told')
    ),
    fault
  )
})

t.test('the commands work as processes, in lines and in JSON, and no secret is shown', async t => {
  const { server, cwd, stageOne } = await prepare(t)
  const { name, id, token: secret } = await stageOne('one')
  const env = { SPARK_STAGE_SERVER: server.url, SPARK_STAGE_UPLOAD_TOKEN_FILE: 'upload' }

  const runs = await Promise.all([
    runClient(['ls', '--namespace', 'team-a'], cwd, env),
    runClient(['renew', name], cwd, env),
    runClient(['token', name, '--token-out', 't', '--json'], cwd, env)
  ])
  const removed = await runClient(['rm', absent, name], cwd, env)
  const again = await runClient(['rm', absent, name, '--json'], cwd, env)

  const [listed, renewed, signed] = runs
  t.match(listed?.stdout, `${name}  committed  alice`)
  t.match(renewed?.stdout, `renewed   ${name}\nexpires   20`)
  t.match(JSON.parse(signed?.stdout ?? ''), { bundle: name, tokenFile: 't' })
  for (const run of runs) t.equal(run.code, 0, run.stderr)
  t.match(removed, { code: 11, stdout: `removed   ${name}\n` })
  t.match(removed.stderr, `spark-stage: ${absent}: the server refused the request`)
  t.match(again, { code: 11, stderr: '' })
  t.match(JSON.parse(again.stdout), {
    bundles: [{ error: { exitCode: 11 } }, { bundle: name, removed: true }]
  })
  const shown = [...runs, removed, again].map(({ stdout, stderr }) => stdout + stderr).join('')
  const written = (await readFile(join(cwd, 't'), 'utf8')).trim()
  for (const word of [secret, written, credential]) t.notOk(shown.includes(word))
  t.equal((await download(server, id, written)).status, 410)
})
