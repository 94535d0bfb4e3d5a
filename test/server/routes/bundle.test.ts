import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { blobPath, bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { dayMs, hourMs, secondMs } from '../../../shared/units.ts'
import { type Answer, call, download, stage, upload } from '../../helpers/call.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import {
  credential,
  readJson,
  sha256,
  startServer,
  type TestServer,
  withoutSweeps
} from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'

const put = (server: TestServer, bundleId: string, content: string) =>
  call(server, 'PUT', blobPath('team-a', bundleId, sha256(content)), {
    headers: { authorization: `Bearer ${credential}` },
    body: content
  })

function declare(server: TestServer, contents: readonly string[], namespace = 'team-a'): Promise<Answer> {
  const entries = contents.map(content => ({
    kind: 'jars',
    name: `${content}.jar`,
    sizeBytes: content.length,
    sha256: sha256(content)
  }))
  return upload(server, 'POST', bundlesPath(namespace), { entries })
}

const ask = (server: TestServer, method: string, bundleId: string, what = '') =>
  upload(server, method, `${bundlePath('team-a', bundleId)}${what}`)

async function isGone(t: Test, answer: Answer, reason: string): Promise<void> {
  isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
  t.equal(answer.error.reason, reason)
  t.match(answer.error.endedAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
}

t.test('a draft is filled, committed and read', async t => {
  const server = await startServer(t)

  const draft = await declare(server, ['one', 'two'])
  t.equal(draft.status, 201)
  t.strictSame(draft.json.missing, [sha256('one'), sha256('two')])
  const { bundleId } = draft.json

  t.strictSame((await put(server, bundleId, 'one')).json, { sha256: sha256('one'), sizeBytes: 3 })
  const early = await ask(server, 'POST', bundleId, '/commit')
  isRefusal(t, early, { status: 409, code: 'STAGE_ERR_INCOMPLETE' })
  t.strictSame(early.error.missing, [sha256('two')])

  await put(server, bundleId, 'two')
  const committed = await ask(server, 'POST', bundleId, '/commit')
  const again = await ask(server, 'POST', bundleId, '/commit')
  t.equal(committed.status, 200)
  t.match(committed.json, { bundleId, token: /^[\w-]+\.[\w-]+\.[\w-]+$/, expiresAt: /Z$/ })
  t.equal(again.status, 200)
  t.equal(again.json.expiresAt, committed.json.expiresAt)

  const manifest = await download(server, bundleId, again.json.token)
  t.match(manifest.json, { bundleId, namespace: 'team-a', createdAt: /Z$/ })
  t.strictSame(manifest.json.entries[0], {
    kind: 'jars',
    name: 'one.jar',
    path: 'jars/one.jar',
    sizeBytes: 3,
    sha256: sha256('one'),
    executable: false
  })
  t.equal(
    (await download(server, bundleId, committed.json.token, '/entries/jars/two.jar')).bytes.toString(),
    'two'
  )
})

t.test('an executable stays one, and an empty file needs its blob like any other', async t => {
  const server = await startServer(t)
  const entries = [{ kind: 'app', name: 'run.sh', sizeBytes: 0, sha256: sha256(''), executable: true }]
  const { bundleId } = (await upload(server, 'POST', bundlesPath('team-a'), { entries })).json

  t.equal((await ask(server, 'POST', bundleId, '/commit')).status, 409)
  t.equal((await put(server, bundleId, '')).status, 201)
  const { token } = (await ask(server, 'POST', bundleId, '/commit')).json

  t.match((await download(server, bundleId, token)).json.entries, [{ executable: true, sizeBytes: 0 }])
})

t.test('a draft is neither signed for nor renewed', async t => {
  const server = await startServer(t)
  const { bundleId } = (await declare(server, ['one'])).json

  await leavesNothing(t, server, async () => {
    for (const what of ['/token', '/renew']) {
      isRefusal(t, await ask(server, 'POST', bundleId, what), {
        status: 409,
        code: 'STAGE_ERR_NOT_COMMITTED'
      })
    }
  })
})

t.test('a bundle is signed for again and renewed, never beyond its greatest age', async t => {
  const clock = new TestClock()
  const server = await startServer(t, {
    clock,
    env: { ...withoutSweeps, SPARK_STAGE_MAX_BUNDLE_AGE_SECONDS: String(10 * 86_400) }
  })
  const startMs = clock.now()
  const { bundleId, token, expiresAt } = (await stage(server, [['files', 'a', '1']])).json
  t.equal(Date.parse(expiresAt), startMs + 7 * dayMs)

  clock.advance(1 * dayMs)
  const renewed = await ask(server, 'POST', bundleId, '/renew')
  t.strictSame(renewed.json, { bundleId, expiresAt: new Date(startMs + 8 * dayMs).toISOString() })
  clock.advance(6 * dayMs)
  const capped = await ask(server, 'POST', bundleId, '/renew')
  t.equal(Date.parse(capped.json.expiresAt), startMs + 10 * dayMs)

  const signed = await ask(server, 'POST', bundleId, '/token')
  t.equal(signed.status, 200)
  t.equal(signed.json.expiresAt, capped.json.expiresAt)
  t.equal((await download(server, bundleId, token)).status, 200)
  t.equal((await download(server, bundleId, signed.json.token)).status, 200)
  clock.advance(3 * dayMs)
  await isGone(t, await download(server, bundleId, token), 'expired')
  clock.advance(1 * secondMs)
  t.equal((await download(server, bundleId, token)).status, 401, 'the token itself has ended')
  await isGone(t, await ask(server, 'POST', bundleId, '/renew'), 'expired')
})

t.test(
  'revoking ends a bundle for everyone, removes its bytes, and keeps only what remembers it',
  async t => {
    const clock = new TestClock(Date.parse('2026-05-05T05:30:00Z'))
    const server = await startServer(t, { clock, env: withoutSweeps })
    const { bundleId, token } = (
      await stage(server, [
        ['files', 'a', '1'],
        ['files', 'b', '2']
      ])
    ).json
    clock.advance(1 * hourMs)

    const revoked = await ask(server, 'DELETE', bundleId)
    const files = await server.files()
    const again = await ask(server, 'DELETE', bundleId)

    t.equal(revoked.status, 204)
    t.equal(again.status, 204)
    t.strictSame(await server.files(), files)
    t.strictSame(
      // The marker of the draft that it once was is the sweep's to remove.
      files.filter(path => !path.startsWith('due/2026-05-05T06')),
      [`bundles/${bundleId}/lease.json`, `due/2026-05-06T06/${bundleId}`, `due/2027-05-05T05/${bundleId}`]
    )
    t.strictSame(await readdir(join(server.folder, 'bundles', bundleId)), ['lease.json'])
    t.match(await readJson(join(server.folder, 'bundles', bundleId, 'lease.json')), {
      state: 'ended',
      reason: 'revoked',
      endedAtMs: clock.now()
    })
    t.strictSame((await upload(server, 'GET', bundlesPath('team-a'))).json, { bundles: [] })

    await isGone(t, await download(server, bundleId, token), 'revoked')
    for (const what of ['/commit', '/token', '/renew'])
      await isGone(t, await ask(server, 'POST', bundleId, what), 'revoked')
    await isGone(t, await put(server, bundleId, '1'), 'revoked')
  }
)

t.test('the key of a revoked bundle stages nothing more', async t => {
  const server = await startServer(t)
  const { bundleId } = (await stage(server, [['files', 'a', '1']], { key: 'k' })).json
  await ask(server, 'DELETE', bundleId)

  await leavesNothing(t, server, async () => {
    await isGone(t, await stage(server, [['files', 'a', '1']], { key: 'k' }), 'revoked')
    const again = await call(server, 'POST', bundlesPath('team-a'), {
      headers: {
        authorization: `Bearer ${credential}`,
        'content-type': 'application/json',
        'idempotency-key': 'k'
      },
      body: JSON.stringify({ entries: [{ kind: 'files', name: 'a', sizeBytes: 1, sha256: sha256('1') }] })
    })
    await isGone(t, again, 'revoked')
  })
})

t.test('a draft can be revoked, too', async t => {
  const server = await startServer(t)
  const { bundleId } = (await declare(server, ['one', 'two'])).json
  await put(server, bundleId, 'one')

  t.equal((await ask(server, 'DELETE', bundleId)).status, 204)

  t.strictSame(await readdir(join(server.folder, 'bundles', bundleId)), ['lease.json'])
  await isGone(t, await put(server, bundleId, 'two'), 'revoked')
  await isGone(t, await ask(server, 'POST', bundleId, '/commit'), 'revoked')
})

t.test('what has run out is gone, though nobody has swept it yet', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  const { bundleId } = (await declare(server, ['one'])).json
  const staged = await stage(server, [['files', 'a', '1']])

  clock.advance(1 * hourMs)
  await isGone(t, await put(server, bundleId, 'one'), 'expired')
  await isGone(t, await ask(server, 'POST', bundleId, '/commit'), 'expired')
  clock.advance(7 * dayMs)

  for (const what of ['/commit', '/token', '/renew'])
    await isGone(t, await ask(server, 'POST', staged.json.bundleId, what), 'expired')
  t.equal((await ask(server, 'DELETE', staged.json.bundleId)).status, 204)
})

t.test('a bundle that never was cannot be committed, signed for, renewed or revoked', async t => {
  const server = await startServer(t)

  await leavesNothing(t, server, async () => {
    for (const bundleId of ['0'.repeat(32), 'x', '..', 'A'.repeat(32)]) {
      for (const what of ['/commit', '/token', '/renew']) {
        isRefusal(t, await ask(server, 'POST', bundleId, what), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
      }
      isRefusal(t, await ask(server, 'DELETE', bundleId), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
    }
  })
})
