import { once } from 'node:events'
import t from 'tap'
import { Drain } from '../../../server/plugins/drain.ts'
import { blobPath, bundlesPath } from '../../../shared/paths.ts'
import { call, download, stage, upload } from '../../helpers/call.ts'
import { filePart, openSocket, readAnswer, requestHead } from '../../helpers/raw-request.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { sha256, startServer, type TestServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'

const files = [['files', 'a', 'hello']] as const

/** The store's files, without those that are being written. */
async function visibleFiles(server: TestServer): Promise<readonly string[]> {
  return (await server.files()).filter(path => !path.startsWith('tmp/'))
}

/** A one-shot upload that has sent all but its last bytes. */
async function startUpload(server: TestServer) {
  const body = `${filePart('files', 'slow', 'x'.repeat(1000))}--B--\r\n`
  const socket = openSocket(server)
  const lines = [
    'Connection: close',
    'Content-Type: multipart/form-data; boundary=B',
    `Content-Length: ${body.length}`
  ]
  const answer = readAnswer(socket)
  const listed = (await visibleFiles(server)).filter(path => path.startsWith('index/')).length
  socket.write(requestHead('POST', bundlesPath('team-a'), lines) + body.slice(0, 500))
  await until(
    async () => (await visibleFiles(server)).filter(path => path.startsWith('index/')).length > listed
  )
  return { finish: () => void socket.write(body.slice(500)), answer }
}

t.test('a stopping server takes no new uploads, lets the running ones end, and then closes', async t => {
  const server = await startServer(t)
  const { bundleId, token } = (await stage(server, [...files])).json
  const entries = [{ kind: 'files', name: 'b', sizeBytes: 5, sha256: sha256('other') }]
  const draft = await upload(server, 'POST', bundlesPath('team-a'), { entries })
  const running = await startUpload(server)
  const before = await visibleFiles(server)

  const closed = server.close()

  const refused = [
    await stage(server, [...files]),
    await upload(server, 'POST', bundlesPath('team-a'), { entries }),
    await upload(server, 'PUT', blobPath('team-a', draft.json.bundleId, sha256('other')))
  ]
  for (const answer of refused) {
    isRefusal(t, answer, { status: 503, code: 'STAGE_ERR_STOPPING' })
    t.equal(answer.headers.get('retry-after'), '5')
  }
  t.strictSame(await visibleFiles(server), before)
  const ready = await call(server, 'GET', '/readyz')
  t.equal(ready.status, 503)
  t.strictSame(ready.json, { status: 'not ready', failed: ['stopping'] })
  t.equal((await call(server, 'GET', '/livez')).status, 200)
  t.equal((await download(server, bundleId, token, '/entries/files/a')).bytes.toString(), 'hello')

  running.finish()
  t.equal((await running.answer).status, 201)
  await closed
  await t.rejects(call(server, 'GET', '/livez'), { cause: { code: 'ECONNREFUSED' } })
})

t.test('a transfer that does not end in time is cut off, and leaves nothing', async t => {
  const server = await startServer(t, { env: { SPARK_STAGE_DRAIN_SECONDS: '0' } })
  await stage(server, [...files])
  const before = await server.files()
  const running = await startUpload(server)

  await server.app.stop()

  t.equal((await running.answer).status, 0)
  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  t.strictSame(await server.files(), before)
})

t.test('idle connections do not hold a stopping server up', async t => {
  const server = await startServer(t)
  const socket = openSocket(server)
  socket.write(requestHead('GET', '/livez', ['Connection: keep-alive']))
  await once(socket, 'data')

  const ended = once(socket, 'close')
  await server.close()

  await ended
  t.equal(socket.destroyed, true)
})

t.test('nothing under way, nothing to wait for', async t => {
  const drain = new Drain()

  await drain.stop(1_000_000)

  t.equal(drain.isStopping, true)
})
