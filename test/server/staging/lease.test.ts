import t from 'tap'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { blobPath, bundlesPath } from '../../../shared/paths.ts'
import { dayMs, hourMs } from '../../../shared/units.ts'
import { download, stage, upload } from '../../helpers/call.ts'
import { openSocket, readAnswer, requestHead } from '../../helpers/raw-request.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { replaceMethods } from '../../helpers/replaced-store.ts'
import { readJson, sha256, startServer, withoutSweeps } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'

/** A server that counts the swaps of leases. */
async function startCounting(t: Parameters<typeof startServer>[0]) {
  const clock = new TestClock()
  const swaps = { count: 0 }
  const server = await startServer(t, {
    clock,
    env: withoutSweeps,
    wrapStore: store =>
      watchStore(store, {
        after: (method, _args, result) => {
          if (method === 'replace' && result === true) swaps.count += 1
        }
      })
  })
  const { json } = await stage(server, [['files', 'a', '1']])
  swaps.count = 0
  const expiresAtMs = async () =>
    Reflect.get(
      (await readJson(`${server.folder}/bundles/${json.bundleId}/lease.json`)) as object,
      'expiresAtMs'
    )
  return { clock, swaps, server, bundleId: json.bundleId, token: json.token, expiresAtMs }
}

t.test('a download keeps its bundle only when less than half of the lease is left', async t => {
  const { clock, swaps, server, bundleId, token, expiresAtMs } = await startCounting(t)
  clock.advance(3.5 * dayMs)
  await download(server, bundleId, token)
  t.equal(swaps.count, 0)

  clock.advance(1)
  await download(server, bundleId, token)
  await download(server, bundleId, token)

  t.equal(swaps.count, 1)
  t.equal(await expiresAtMs(), clock.now() + 7 * dayMs)
})

t.test('a hundred executors at once cause one write', async t => {
  const { clock, swaps, server, bundleId, token } = await startCounting(t)
  clock.advance(4 * dayMs)

  const answers = await Promise.all(
    Array.from({ length: 100 }, () => download(server, bundleId, token, '/entries/files/a'))
  )

  t.strictSame([...new Set(answers.map(({ status }) => status))], [200])
  t.equal(swaps.count, 1)
})

t.test('a lease that is near its greatest age is not renewed at every download', async t => {
  const { clock, swaps, server, bundleId, token, expiresAtMs } = await startCounting(t)
  for (let day = 0; day < 361; day += 3) {
    clock.advance(3 * dayMs)
    await download(server, bundleId, token)
  }
  const before = swaps.count
  const endMs = await expiresAtMs()

  for (let n = 0; n < 5; n += 1) t.equal((await download(server, bundleId, token)).status, 200)

  t.equal(swaps.count, before)
  t.ok(endMs <= clock.now() + 7 * dayMs)
})

t.test('a store that takes no writes can still be read', async t => {
  const clock = new TestClock()
  const full = { is: false }
  const server = await startServer(t, {
    clock,
    env: withoutSweeps,
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (full.is && ['create', 'replace', 'put'].includes(method))
            throw new StorageError('no-space', 'the disk is full')
        }
      })
  })
  const { json } = await stage(server, [['files', 'a', '1']])
  full.is = true
  clock.advance(4 * dayMs)

  const answer = await download(server, json.bundleId, json.token, '/entries/files/a')

  t.equal(answer.status, 200)
  isRefusal(t, await upload(server, 'POST', `${bundlesPath('team-a')}/${json.bundleId}/renew`), {
    status: 507,
    code: 'STAGE_ERR_NO_SPACE'
  })
})

t.test('a failure that is none of the store’s is not taken for one', async t => {
  const clock = new TestClock()
  const server = await startServer(t, {
    clock,
    env: withoutSweeps,
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (method === 'replace' && clock.now() > Date.now() + dayMs) throw new TypeError('a bug')
        }
      })
  })
  const { json } = await stage(server, [['files', 'a', '1']])
  clock.advance(4 * dayMs)

  isRefusal(t, await download(server, json.bundleId, json.token), { status: 500, code: 'STAGE_ERR_INTERNAL' })
})

t.test('a lease that always changes under one’s hands is a failure of the store, in the end', async t => {
  const server = await startServer(t, {
    wrapStore: store => replaceMethods(store, { replace: async () => false })
  })

  const answer = await stage(server, [['files', 'a', '1']])

  isRefusal(t, answer, { status: 500, code: 'STAGE_ERR_INTERNAL' })
  t.match(server.logLines.join(''), /changed 50 times while it was swapped/)
})

t.test('bytes that take long push the lease of their draft on', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock, env: withoutSweeps })
  const idleCount = clock.taskCount
  const content = 'x'.repeat(100)
  const entries = [{ kind: 'files', name: 'a', sizeBytes: 100, sha256: sha256(content) }]
  const { bundleId } = (await upload(server, 'POST', bundlesPath('team-a'), { entries })).json
  const lease = `${server.folder}/bundles/${bundleId}/lease.json`
  const socket = openSocket(server)
  socket.write(
    requestHead('PUT', blobPath('team-a', bundleId, sha256(content)), [
      'Connection: close',
      'Content-Length: 100'
    ])
  )
  await until(() => clock.taskCount > idleCount)

  for (let quarter = 1; quarter <= 12; quarter += 1) {
    const before = await readJson(lease)
    clock.advance(hourMs / 4)
    const leftMs = Reflect.get(before as object, 'expiresAtMs') - clock.now()
    if (leftMs < hourMs / 2)
      await until(async () => JSON.stringify(await readJson(lease)) !== JSON.stringify(before))
  }
  socket.write(content)
  const answer = await readAnswer(socket)

  t.equal(answer.status, 201)
  t.equal(clock.taskCount, idleCount)
  t.equal((await upload(server, 'POST', `${bundlesPath('team-a')}/${bundleId}/commit`)).status, 200)
})

t.test('a draft that is revoked while its bytes arrive keeps none of them', async t => {
  const server = await startServer(t)
  const content = 'x'.repeat(100)
  const entries = [{ kind: 'files', name: 'a', sizeBytes: 100, sha256: sha256(content) }]
  const { bundleId } = (await upload(server, 'POST', bundlesPath('team-a'), { entries })).json
  const socket = openSocket(server)
  socket.write(
    requestHead('PUT', blobPath('team-a', bundleId, sha256(content)), [
      'Connection: close',
      'Content-Length: 100'
    ])
  )
  await until(async () => (await server.files()).some(path => path.startsWith('tmp/')))
  await upload(server, 'DELETE', `${bundlesPath('team-a')}/${bundleId}`)

  socket.write(content)
  const answer = await readAnswer(socket)

  isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
  t.strictSame(
    (await server.files()).filter(path => path.startsWith('bundles/')),
    [`bundles/${bundleId}/lease.json`]
  )
})
