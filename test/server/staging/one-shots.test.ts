import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { bundleIdFor } from '../../../server/staging/bundle-id.ts'
import { dataKey, leaseKey } from '../../../server/staging/keys.ts'
import type { Lease } from '../../../server/staging/lease.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { hourMs, secondMs } from '../../../shared/units.ts'
import { upload as ask, download, type Part, stage } from '../../helpers/call.ts'
import { filePart, openSocket, readAnswer, requestHead } from '../../helpers/raw-request.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { readJson, sha256, startServer, type TestServer, withoutSweeps } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const files: readonly Part[] = [['files', 'a', '1']]
const bundleId = bundleIdFor('team-a', 'alice', 'the key')

/** Leaves in the store what a one-shot upload of another server had written when it stopped. */
async function leaveDraft(server: TestServer, nowMs: number, untilMs: number): Promise<void> {
  const lease: Lease = {
    namespace: 'team-a',
    principal: 'alice',
    state: 'draft',
    attempt: 0,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + hourMs,
    writer: { id: 'another server', untilMs }
  }
  await mkdir(dirname(join(server.folder, dataKey({ bundleId, attempt: 0 }, 0))), { recursive: true })
  await writeFile(join(server.folder, leaseKey(bundleId)), JSON.stringify(lease))
  await writeFile(join(server.folder, dataKey({ bundleId, attempt: 0 }, 0)), 'half of what was to come')
}

const leaseOf = (server: TestServer) => readJson(join(server.folder, leaseKey(bundleId)))

t.test('a retry takes over what a dead server has left, and none of it is read', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  await leaveDraft(server, clock.now() - 60 * secondMs, clock.now())

  const answer = await stage(server, files, { key: 'the key' })

  t.equal(answer.status, 201)
  t.equal(answer.json.bundleId, bundleId)
  t.equal((await download(server, bundleId, answer.json.token, '/entries/files/a')).bytes.toString(), '1')
})

t.test('a retry is told to wait while the other server may be alive, and how long', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  await leaveDraft(server, clock.now(), clock.now() + 12.3 * secondMs)
  const before = (await server.files()).filter(path => !path.startsWith('due/'))

  const answer = await stage(server, files, { key: 'the key' })

  isRefusal(t, answer, { status: 409, code: 'STAGE_ERR_UPLOAD_RUNNING' })
  t.equal(answer.headers.get('retry-after'), '13')
  t.match(await leaseOf(server), { writer: { id: 'another server' } })
  t.strictSame(
    (await server.files()).filter(path => !path.startsWith('due/')),
    before
  )
  clock.advance(13 * secondMs)
  t.equal((await stage(server, files, { key: 'the key' })).status, 201)
})

/** An upload that has sent all but its last bytes. */
async function startUpload(server: TestServer, keyLines = ['Idempotency-Key: the key']) {
  const body = `${filePart('files', 'a', 'x'.repeat(1000))}--B--\r\n`
  const socket = openSocket(server)
  const lines = [
    'Connection: close',
    'Content-Type: multipart/form-data; boundary=B',
    `Content-Length: ${body.length}`
  ]
  socket.write(requestHead('POST', bundlesPath('team-a'), [...lines, ...keyLines]) + body.slice(0, 500))
  await until(() => server.logLines.some(line => line.includes('starting multipart parsing')))
  await until(async () => (await server.files()).some(path => path.startsWith('tmp/')))
  return {
    finish: () => void socket.write(body.slice(500)),
    vanish: () => void socket.destroy(),
    answer: readAnswer(socket)
  }
}

async function changeLease(server: TestServer, changes: Partial<Lease>): Promise<void> {
  const path = join(server.folder, leaseKey(bundleId))
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...changes }))
}

t.test('a running upload says that it is alive, and keeps its draft', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  const idleCount = clock.taskCount
  const upload = await startUpload(server)

  for (let minute = 0; minute < 5; minute += 1) {
    const before = JSON.stringify(await leaseOf(server))
    clock.advance(15 * secondMs)
    await until(async () => JSON.stringify(await leaseOf(server)) !== before)
  }
  t.match(await leaseOf(server), {
    expiresAtMs: clock.now() + hourMs,
    writer: { untilMs: clock.now() + 30 * secondMs }
  })

  upload.finish()
  t.equal((await upload.answer).status, 201)
  t.equal(clock.taskCount, idleCount)
  t.match(await leaseOf(server), { state: 'committed', writer: undefined })
})

t.test(
  'an upload whose draft another server has taken over does not commit it, and leaves it alone',
  async t => {
    const clock = new TestClock()
    const server = await startServer(t, { clock, env: withoutSweeps })
    const upload = await startUpload(server)
    await changeLease(server, {
      attempt: 1,
      writer: { id: 'another server', untilMs: clock.now() + 5 * secondMs }
    })
    const lease = await leaseOf(server)
    clock.advance(15 * secondMs)

    upload.finish()

    const answer = await upload.answer
    isRefusal(t, answer, { status: 409, code: 'STAGE_ERR_UPLOAD_RUNNING' })
    t.match(answer.head, /\r\nretry-after: 1\r\n/)
    t.strictSame(await leaseOf(server), lease)
  }
)

t.test('an upload that fails after another server has taken over leaves its bytes alone', async t => {
  const server = await startServer(t)
  const upload = await startUpload(server)
  await changeLease(server, { attempt: 1, writer: { id: 'another server', untilMs: Date.now() + hourMs } })
  const theirs = dataKey({ bundleId, attempt: 1 }, 7)
  await mkdir(dirname(join(server.folder, theirs)), { recursive: true })
  await writeFile(join(server.folder, theirs), 'of the other server')

  upload.vanish()
  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))

  t.ok((await server.files()).includes(theirs))
  t.match(await leaseOf(server), { state: 'draft' })
})

t.test('an upload whose draft was revoked meanwhile is told so', async t => {
  const server = await startServer(t)
  const upload = await startUpload(server)
  await changeLease(server, { state: 'ended', reason: 'revoked', endedAtMs: Date.now() })

  upload.finish()

  isRefusal(t, await upload.answer, { status: 410, code: 'STAGE_ERR_GONE' })
})

/** A server whose store fails one write. */
async function startFailing(t: Test, fails: (method: string, key: string) => boolean): Promise<TestServer> {
  return startServer(t, {
    wrapStore: store =>
      watchStore(store, {
        before: (method, [key]) => {
          if (fails(method, String(key)))
            throw new StorageError('no-space', `no space for ${dirname(String(key))}`)
        }
      })
  })
}

t.test('a running upload is not committed, filled or signed for as if it were a draft', async t => {
  const server = await startServer(t)
  const upload = await startUpload(server)
  const path = bundlePath('team-a', bundleId)

  for (const [method, below] of [
    ['POST', '/commit'],
    ['PUT', `/blobs/${sha256('1')}`]
  ] as const) {
    const answer = await ask(server, method, path + below)

    isRefusal(t, answer, { status: 409, code: 'STAGE_ERR_UPLOAD_RUNNING' })
    t.ok(Number(answer.headers.get('retry-after')) > 0)
  }
  isRefusal(t, await ask(server, 'POST', `${path}/token`), { status: 409, code: 'STAGE_ERR_NOT_COMMITTED' })
  upload.finish()
  t.equal((await upload.answer).status, 201)
})

t.test('a failed upload whose draft nobody writes any more cannot be committed, only repeated', async t => {
  const server = await startServer(t)
  const upload = await startUpload(server)
  upload.vanish()
  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))

  const answer = await ask(server, 'POST', `${bundlePath('team-a', bundleId)}/commit`)

  isRefusal(t, answer, { status: 409, code: 'STAGE_ERR_UPLOAD_RUNNING' })
  t.equal((await stage(server, files, { key: 'the key' })).status, 201)
})

t.test(
  'an upload without a key that is revoked while it runs leaves what remembers the revocation',
  async t => {
    const server = await startServer(t)
    const upload = await startUpload(server, [])
    const [{ bundleId: id }] = (await ask(server, 'GET', bundlesPath('team-a'))).json.bundles
    await ask(server, 'DELETE', bundlePath('team-a', id))

    upload.finish()

    const answer = await upload.answer
    isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
    t.equal(answer.error.reason, 'revoked')
    t.match(await readJson(join(server.folder, leaseKey(id))), { state: 'ended', reason: 'revoked' })
  }
)

t.test('when not even cleaning up works, the first failure is the one that is told', async t => {
  const server = await startFailing(t, method => method === 'put' || method === 'delete')

  isRefusal(t, await stage(server, files), { status: 507, code: 'STAGE_ERR_NO_SPACE' })
})

t.test('when only the hint fails, the bundle is staged: losing it costs an upload at most', async t => {
  const server = await startFailing(t, (method, key) => method === 'create' && key.startsWith('hints/'))

  const answer = await stage(server, files)

  t.equal(answer.status, 201)
})
