import { randomBytes } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import t from 'tap'
import { bundlePath, manifestPath } from '../../../shared/paths.ts'
import { hourMs, secondMs } from '../../../shared/units.ts'
import { call, download, stage, upload } from '../../helpers/call.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { startServer, withoutSweeps } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const addKey = (directory: string, kid: string) => writeFile(join(directory, kid), randomBytes(32))

t.test(
  'a token signed with an unknown key may be retried for two minutes since the key was looked for, then is refused',
  async t => {
    const clock = new TestClock()
    let storeCallsCount = 0
    const server = await startServer(t, {
      clock,
      env: withoutSweeps,
      wrapStore: store =>
        watchStore(store, {
          before: () => {
            storeCallsCount += 1
          }
        })
    })
    const { json } = await stage(server, [['files', 'a', '1']])
    const token = jwt.sign({ ...(jwt.decode(json.token) as object) }, 'y'.repeat(32), { keyid: 'key-2' })
    const before = storeCallsCount
    const ask = () => download(server, json.bundleId, token)

    const answers = []
    for (const waitMs of [0, 1, 119 * secondMs]) {
      clock.advance(waitMs)
      answers.push(await ask())
    }
    clock.advance(1 * secondMs)
    const last = await ask()

    for (const answer of answers) {
      isRefusal(t, answer, { status: 503, code: 'STAGE_ERR_KEY_UNKNOWN' })
      t.equal(answer.headers.get('retry-after'), '5')
    }
    isRefusal(t, last, { status: 401, code: 'STAGE_ERR_TOKEN' })
    t.equal(storeCallsCount, before)
  }
)

t.test('a key that arrives while its tokens are being retried opens them', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  const { json } = await stage(server, [['files', 'a', '1']])
  const token = jwt.sign({ ...(jwt.decode(json.token) as object) }, 'y'.repeat(32), { keyid: 'key-2' })
  const early = await download(server, json.bundleId, token)
  await writeFile(join(server.keysDirectory, 'key-2'), 'y'.repeat(32))
  clock.advance(10 * secondMs)

  const late = await download(server, json.bundleId, token)

  t.equal(early.status, 503)
  t.equal(late.status, 200)
})

t.test('an unknown key is looked for at once, without waiting for the next reading', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  const { json } = await stage(server, [['files', 'a', '1']])
  await writeFile(join(server.keysDirectory, 'key-2'), 'y'.repeat(32))
  const token = jwt.sign({ ...(jwt.decode(json.token) as object) }, 'y'.repeat(32), { keyid: 'key-2' })

  t.equal((await download(server, json.bundleId, token)).status, 200)
})

t.test(
  'a rotation on a running server: new tokens change over in time, old ones last until their key goes',
  async t => {
    const clock = new TestClock()
    const server = await startServer(t, { clock, env: withoutSweeps })
    const { json } = await stage(server, [['files', 'a', '1']])
    const signAgain = async () =>
      (await upload(server, 'POST', `${bundlePath('team-a', json.bundleId)}/token`)).json.token
    const kidOf = (token: string) => jwt.decode(token, { complete: true })?.header.kid
    await addKey(server.keysDirectory, 'key-2')

    clock.advance(10 * secondMs)
    t.equal(kidOf(await signAgain()), 'key-1')
    clock.advance(300 * secondMs)
    const token = await signAgain()
    t.equal(kidOf(token), 'key-2')
    t.equal((await download(server, json.bundleId, json.token)).status, 200)

    await rename(join(server.keysDirectory, 'key-1'), join(server.folder, '..', 'old-key'))
    clock.advance(10 * secondMs)
    t.equal((await download(server, json.bundleId, token)).status, 200)
    t.equal((await download(server, json.bundleId, json.token)).status, 503)
    clock.advance(120 * secondMs)
    t.equal((await download(server, json.bundleId, json.token)).status, 401)
  }
)

t.test('a key that cannot be used is logged by a running server, without a byte of it', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  server.keepSecret('too-short-a-key')
  await writeFile(join(server.keysDirectory, 'key-2'), 'too-short-a-key')
  clock.advance(10 * secondMs)

  t.equal((await stage(server, [['files', 'a', '1']])).status, 201)

  t.match(
    server.logLines.join(''),
    /key-2: expected at least 32 bytes, found 15.*"msg":"signing key cannot be used"/
  )
})

t.test('a token whose lease has run out is told when', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  const { json } = await stage(server, [['files', 'a', '1']])
  clock.advance(7 * 24 * hourMs)

  const answer = await call(server, 'GET', manifestPath('team-a', json.bundleId), {
    headers: { authorization: `Bearer ${json.token}` }
  })

  isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
  t.equal(answer.error.reason, 'expired')
  t.equal(answer.error.endedAt, json.expiresAt)
})
