import { EventEmitter, once } from 'node:events'
import t from 'tap'
import { bundlesPath } from '../../../shared/paths.ts'
import { stage, upload } from '../../helpers/call.ts'
import { exchange, filePart, openSocket, readAnswer, requestHead } from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import { credential, startServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const multipart = ['Content-Type: multipart/form-data; boundary=B', 'Content-Length: 1000000']
const half =
  filePart('files', 'whole', 'x'.repeat(5000)) + filePart('files', 'half', 'y'.repeat(5000)).slice(0, -1000)

t.test('a client that vanishes in the middle of a part leaves nothing', async t => {
  const server = await startServer(t)
  const socket = openSocket(server)
  socket.write(requestHead('POST', bundlesPath('team-a'), multipart) + half)
  await until(async () => {
    const files = await server.files()
    return files.some(path => path.endsWith('/data/0')) && files.some(path => path.startsWith('tmp/'))
  })

  socket.destroy()

  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  t.strictSame(await server.files(), [])
  t.equal(server.logLines.filter(line => line.includes('"msg":"request cut off"')).length, 1)
})

t.test('a client that vanishes between two parts leaves nothing', async t => {
  const server = await startServer(t)
  const socket = openSocket(server)
  socket.write(
    `${requestHead('POST', bundlesPath('team-a'), multipart) + filePart('files', 'a')}--B\r\nContent-`
  )
  await until(async () => (await server.files()).some(path => path.endsWith('/data/0')))

  socket.destroy()

  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  t.strictSame(await server.files(), [])
})

t.test(
  'a client that vanishes before its parts are looked at leaves no bytes, and its key is free',
  async t => {
    const arrived = new EventEmitter()
    const server = await startServer(t, {
      wrapStore: store =>
        watchStore(store, {
          before: async (method, [key]) => {
            if (
              method !== 'create' ||
              !String(key).startsWith('index/') ||
              arrived.listenerCount('index') === 0
            )
              return
            arrived.emit('index')
            await until(() => server.logLines.some(line => line.includes('request cut off')))
          }
        })
    })
    const socket = openSocket(server)
    arrived.once('index', () => socket.destroy())
    socket.write(requestHead('POST', bundlesPath('team-a'), [...multipart, 'Idempotency-Key: early']) + half)
    await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))

    t.same(
      (await server.files()).filter(path => /data|tmp/.test(path)),
      []
    )
    t.equal((await stage(server, [['files', 'a', '1']], { key: 'early' })).status, 201)
  }
)

t.test('a client that says too early that it is done is told so, and leaves nothing', async t => {
  const server = await startServer(t)

  const answer = await exchange(server, requestHead('POST', bundlesPath('team-a'), multipart) + half, 'end')

  isRefusal(t, answer, {
    status: 400,
    code: 'STAGE_ERR_BAD_REQUEST',
    expected: 'a whole HTTP/1.1 request',
    found: 'HPE_INVALID_EOF_STATE'
  })
  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  t.strictSame(await server.files(), [])
})

t.test('a client that vanishes while it repeats a request leaves the bundle as it was', async t => {
  const server = await startServer(t)
  const parts = [['files', 'whole', 'x'.repeat(5000)] as const]
  const staged = await stage(server, parts, { key: 'again' })

  await leavesNothing(t, server, async () => {
    const socket = openSocket(server)
    socket.write(requestHead('POST', bundlesPath('team-a'), [...multipart, 'Idempotency-Key: again']) + half)
    const parsing = () => server.logLines.filter(line => line.includes('starting multipart parsing'))
    await until(() => parsing().length === 2)
    socket.destroy()
    await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  })

  const again = await stage(server, parts, { key: 'again' })
  t.equal(again.status, 201)
  t.equal(again.json.bundleId, staged.json.bundleId)
})

t.test('JSON that ends too early is refused, and the server goes on', async t => {
  const server = await startServer(t)
  const head = requestHead('POST', bundlesPath('team-a'), [
    'Content-Type: application/json',
    'Content-Length: 100'
  ])

  const answer = await exchange(server, `${head}{"entries":`, 'end')

  isRefusal(t, answer, { status: 400, code: 'STAGE_ERR_BAD_REQUEST', expected: 'a whole HTTP/1.1 request' })
  t.strictSame(await server.files(), [])
  t.equal((await upload(server, 'GET', bundlesPath('team-a'))).status, 200)
})

t.test('after an early refusal the connection is closed, and the server can close', async t => {
  const server = await startServer(t)
  const socket = openSocket(server)
  socket.write(
    requestHead('POST', bundlesPath('team-a'), multipart) + filePart('jar', 'a.jar', 'x'.repeat(100_000))
  )

  await once(socket.resume(), 'close')
  await server.close()

  t.strictSame(await server.files(), [])
})

t.test('what is not HTTP gets an answer of the table, and no byte of it is logged', async t => {
  const server = await startServer(t)
  server.keepSecret('Zm9yZ2l2ZSBtZQ')
  const garbage = [
    ['HPE_INVALID_METHOD', `GIVE / HTTP/1.1\r\nAuthorization: Bearer ${credential}\r\n\r\n`],
    ['HPE_HEADER_OVERFLOW', requestHead('GET', '/livez', [`X-Secret: Zm9yZ2l2ZSBtZQ${'x'.repeat(20_000)}`])],
    [
      'HPE_INVALID_TRANSFER_ENCODING',
      requestHead('POST', '/livez', ['Content-Length: 5', 'Transfer-Encoding: chunked'])
    ]
  ] as const

  for (const [found, text] of garbage) {
    const answer = await exchange(server, text)

    isRefusal(t, answer, {
      status: 400,
      code: 'STAGE_ERR_BAD_REQUEST',
      expected: 'a whole HTTP/1.1 request',
      found
    })
    t.match(answer.head, /\r\nconnection: close/)
    t.match(server.logLines.join(''), `"reqId":"${answer.error.requestId}","found":"${found}"`)
  }
})

t.test('nonsense after an answer only closes the connection: the answer may be under way', async t => {
  const server = await startServer(t)

  const socket = openSocket(server)
  socket.write(requestHead('GET', '/livez', []))
  socket.once('data', () => socket.write('GIVE / HTTP/1.1\r\n\r\n'))

  const answer = await readAnswer(socket)

  t.equal(answer.status, 200)
  t.strictSame(answer.error, { status: 'live' })
})
