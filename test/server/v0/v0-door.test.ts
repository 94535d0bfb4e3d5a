import { randomBytes } from 'node:crypto'
import t from 'tap'
import { MiB } from '../../../shared/units.ts'
import { call } from '../../helpers/call.ts'
import { startServer } from '../../helpers/start-server.ts'
import {
  downloadRequest,
  emptyArchive,
  type ForkAnswer,
  openConnection,
  ownerPart,
  readForkAnswer,
  resourcesPart,
  send,
  uploadRequest
} from './fork-client.ts'

const server = await startServer(t, { env: { SPARK_STAGE_V0: 'true' } })

function stagedOf({ body }: ForkAnswer): { readonly resourceId: string; readonly resourceSecret: string } {
  const staged = JSON.parse(body.toString())
  server.keepSecret(staged.resourceSecret)
  return staged
}

/** Uploads as the fork does. */
async function upload(content: Buffer) {
  return stagedOf(await send(server.url, uploadRequest([resourcesPart(content), ownerPart()])))
}

t.test('the recorded request is taken, and answered with exactly the two fields', async t => {
  const archive = randomBytes(306)
  const request = uploadRequest([resourcesPart(archive), ownerPart()])
  t.match(request.toString('latin1'), /\r\nContent-Length: 852\r\n/, 'as long as the recording')

  const answer = await send(server.url, request)

  t.equal(answer.status, 200)
  t.equal(answer.headers['content-type'], 'application/json')
  const staged = stagedOf(answer)
  t.strictSame(Object.keys(staged), ['resourceId', 'resourceSecret'])
  t.match(staged.resourceId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
})

for (const [name, content] of [
  ['306 bytes', randomBytes(306)],
  ['3 MiB', randomBytes(3 * MiB)],
  ['the empty archive of 45 bytes', emptyArchive],
  ['nothing at all', Buffer.alloc(0)]
] as const) {
  t.test(`${name} come back whole, with a length and without an encoding`, async t => {
    const { resourceId, resourceSecret } = await upload(content)

    const answer = await send(server.url, downloadRequest(resourceId, resourceSecret))

    t.equal(answer.status, 200)
    t.ok(answer.body.equals(content))
    t.match(answer.headers, {
      'content-length': `${content.length}`,
      'content-type': 'application/octet-stream'
    })
    t.notOk('content-encoding' in answer.headers)
    t.notOk('transfer-encoding' in answer.headers)
    t.notOk('etag' in answer.headers)
  })
}

t.test('the empty archive is the one that the fork sends', async t => {
  t.equal(emptyArchive.length, 45)
})

t.test('both downloads of an init container can go over one connection', async t => {
  const [jars, files] = [await upload(Buffer.from('jars')), await upload(Buffer.from('files'))]
  const socket = openConnection(server.url)
  t.teardown(() => socket.destroy())

  for (const [{ resourceId, resourceSecret }, content] of [
    [jars, 'jars'],
    [files, 'files']
  ] as const) {
    socket.write(downloadRequest(resourceId, resourceSecret))
    t.equal((await readForkAnswer(socket)).body.toString(), content)
  }
})

t.test('a Range is ignored, and a scheme before the secret does no harm', async t => {
  const { resourceId, resourceSecret } = await upload(Buffer.from('content'))

  const answer = await send(
    server.url,
    downloadRequest(resourceId, `Bearer ${resourceSecret}`, ['Range: bytes=2-3'])
  )

  t.equal(answer.status, 200)
  t.equal(answer.body.toString(), 'content')
})

t.test('the parts come in either order, with others beside them, with or without the slash', async t => {
  const [archive, owner] = [resourcesPart(Buffer.from('content')), ownerPart()]
  const other = { name: 'another', type: 'text/plain', content: Buffer.from('dropped') }
  for (const [parts, path] of [
    [[owner, archive], '/api/v0/resources/'],
    [[archive, owner], '/api/v0/resources'],
    [[other, owner, other, archive, other], '/api/v0/resources/']
  ] as const) {
    const staged = stagedOf(await send(server.url, uploadRequest(parts, path)))

    const answer = await send(server.url, downloadRequest(staged.resourceId, staged.resourceSecret))
    t.equal(answer.body.toString(), 'content')
  }
})

t.test('a chunked request that waits for 100 Continue is taken too', async t => {
  const whole = uploadRequest([resourcesPart(Buffer.from('content')), ownerPart()])
  const [head = '', body = ''] = whole.toString('latin1').split(/\r\n\r\n(.*)/s)
  const socket = openConnection(server.url)
  t.teardown(() => socket.destroy())

  socket.write(
    `${head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked\r\nExpect: 100-continue')}\r\n\r\n`
  )
  t.equal((await readForkAnswer(socket)).status, 100)
  socket.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`, 'latin1')

  const answer = await readForkAnswer(socket)
  t.equal(answer.status, 200)
  stagedOf(answer)
})

t.test('a client that sends text/plain as the type of the owner, or none, is understood', async t => {
  for (const type of ['text/plain', '']) {
    const owner = { ...ownerPart(), type }

    const answer = await send(server.url, uploadRequest([resourcesPart(emptyArchive), owner]))

    t.equal(answer.status, 200)
    stagedOf(answer)
  }
})

t.test('both pings answer pong', async t => {
  for (const path of ['/api/ping', '/api/v0/ping']) {
    const answer = await call(server, 'GET', path)

    t.equal(answer.status, 200)
    t.equal(answer.bytes.toString(), 'pong')
    t.match(answer.headers.get('content-type'), /^text\/plain/)
  }
})

t.test('what the fork staged is a bundle of its namespace like any other', async t => {
  const owner = ownerPart('{"ownerNamespace":"team-a"}')
  const staged = stagedOf(await send(server.url, uploadRequest([owner, resourcesPart(emptyArchive)])))
  const bundleId = staged.resourceId.replaceAll('-', '')

  const manifest = await call(server, 'GET', `/api/v1/bundles/team-a/${bundleId}`, {
    headers: { authorization: `Bearer ${staged.resourceSecret}` }
  })

  t.match(manifest.json, {
    bundleId,
    namespace: 'team-a',
    entries: [{ path: 'files/resources.tgz', sizeBytes: 45 }]
  })
  t.ok((await server.files()).includes(`index/team-a/${bundleId}`))
})

t.test('closed, the door is not there', async t => {
  const closed = await startServer(t)

  for (const [method, path] of [
    ['POST', '/api/v0/resources/'],
    ['GET', '/api/ping'],
    ['GET', '/api/v0/ping']
  ] as const) {
    t.equal((await call(closed, method, path)).status, 404, path)
  }
})

t.test('downloads beyond the queue wait and succeed: no error would be asked again', async t => {
  const env = { SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: '1', SPARK_STAGE_MAX_QUEUED_DOWNLOADS: '0' }
  const narrow = await startServer(t, { env: { ...env, SPARK_STAGE_V0: 'true' } })
  const content = randomBytes(3 * MiB)
  const staged = await send(narrow.url, uploadRequest([resourcesPart(content), ownerPart()]))
  const { resourceId, resourceSecret } = JSON.parse(staged.body.toString())
  narrow.keepSecret(resourceSecret)

  const downloads = Array.from({ length: 12 }, () =>
    send(narrow.url, downloadRequest(resourceId, resourceSecret))
  )

  for (const { status, body } of await Promise.all(downloads)) {
    t.equal(status, 200)
    t.ok(body.equals(content))
  }
})
