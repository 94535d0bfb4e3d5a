import { once } from 'node:events'
import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { IdleLimit } from '../../../server/plugins/idle-limit.ts'
import { bundlesPath, entryPath } from '../../../shared/paths.ts'
import { KiB, MiB } from '../../../shared/units.ts'
import { stage } from '../../helpers/call.ts'
import { filePart, openSocket, requestHead } from '../../helpers/raw-request.ts'
import { startServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'
import { openConnection } from '../v0/fork-client.ts'

/** Least bytes of a minute. */
const leastBytes = 60 * KiB

/** Looks that make up the idle limit. */
const looksCount = 6

/** A server with an idle limit that looks only when the test says so. */
async function startWatched(t: Test, prepare: (app: FastifyInstance) => void) {
  const limit = new IdleLimit(60)
  const app = Fastify()
  let periodMs = 0
  let isStopped = false
  limit.register(app, (ms, _task) => {
    periodMs = ms
    return () => {
      isStopped = true
    }
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  prepare(app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  if (periodMs !== 10_000) throw new Error(`looked at every ${periodMs} ms`)
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
    if (!isStopped) throw new Error('the closed server is still being looked at')
  })
  const look = (count: number) => {
    for (let n = 0; n < count; n += 1) limit.look()
  }
  return { url, look }
}

/** Sends bytes that the server is to have read before this resolves. */
async function sendUntilRead(socket: Socket, bytes: Buffer, read: () => number): Promise<void> {
  const before = read()
  socket.write(bytes)
  await until(() => read() === before + bytes.length)
}

async function startUpload(t: Test) {
  let readBytes = 0
  let isPaused = false
  let unreadBytes = () => 0
  const server = await startWatched(t, app =>
    app.put('/', async request => {
      unreadBytes = () => request.raw.readableLength
      for await (const chunk of request.raw) {
        readBytes += chunk.length
        await until(() => !isPaused)
      }
      return 'done'
    })
  )
  const socket = openConnection(server.url)
  t.teardown(() => socket.destroy())
  socket.resume()
  let isClosed = false
  socket.once('close', () => {
    isClosed = true
  })
  socket.write('PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n')
  await sendUntilRead(socket, Buffer.alloc(1), () => readBytes)
  return {
    ...server,
    socket,
    send: (countBytes: number) => sendUntilRead(socket, Buffer.alloc(countBytes), () => readBytes),
    isClosed: () => isClosed,
    unreadBytes: () => unreadBytes(),
    readBytes: () => readBytes,
    pause: (paused: boolean) => {
      isPaused = paused
    }
  }
}

t.test('an upload without a byte is cut at the limit, and not before', async t => {
  const { look, isClosed, socket } = await startUpload(t)

  look(looksCount)
  t.equal(isClosed(), false)
  const closed = once(socket, 'close')
  look(1)

  await closed
  t.equal(isClosed(), true)
})

t.test('a byte now and then does not save an upload', async t => {
  const { look, isClosed, send, socket } = await startUpload(t)

  for (let n = 0; n < looksCount; n += 1) {
    await send(1)
    look(1)
  }
  t.equal(isClosed(), false)
  const closed = once(socket, 'close')
  await send(1)
  look(1)

  await closed
  t.equal(isClosed(), true)
})

t.test('a kilobyte for each second does, and a byte less does not', async t => {
  const { look, isClosed, send, socket } = await startUpload(t)

  look(1)
  for (let minute = 0; minute < 3; minute += 1) {
    await send(leastBytes)
    look(looksCount)
    t.equal(isClosed(), false)
  }
  const closed = once(socket, 'close')
  await send(leastBytes - 1)
  look(looksCount)

  await closed
  t.equal(isClosed(), true)
})

t.test('as long as the server has not read what came, the client is not to blame', async t => {
  const { look, isClosed, pause, socket, readBytes, unreadBytes } = await startUpload(t)
  pause(true)
  socket.write(Buffer.alloc(1 * MiB))
  await until(() => unreadBytes() > 0)

  look(3 * looksCount)

  t.equal(isClosed(), false)
  pause(false)
  await until(() => readBytes() === 1 + 1 * MiB)
  look(looksCount)
  t.equal(isClosed(), false)
  const closed = once(socket, 'close')
  look(1)
  await closed
})

for (const [what, sizeBytes] of [
  ['that was written at once', 64 * MiB],
  ['of one large write after another', 8 * MiB]
] as const) {
  t.test(`a reader that stops before the end of an answer ${what} is cut`, async t => {
    const { url, look } = await startWatched(t, app =>
      app.get('/', async (_request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200, { 'content-length': 64 * MiB })
        const write = () => {
          if (reply.raw.destroyed) return
          reply.raw.write(Buffer.alloc(sizeBytes), write)
        }
        write()
      })
    )
    const socket = openConnection(url)
    t.teardown(() => socket.destroy())
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await once(socket, 'readable')
    let readBytes = 0
    const readOn = async (countBytes: number) => {
      for (const endBytes = readBytes + countBytes; readBytes < endBytes; ) {
        const chunk: Buffer | null = socket.read()
        if (chunk === null) await once(socket, 'readable')
        else readBytes += chunk.length
      }
    }

    look(1)
    for (let minute = 0; minute < 2; minute += 1) {
      // Enough that the kernel takes more: by the whole write it would be none.
      await readOn(6 * MiB)
      look(looksCount)
      t.equal(socket.closed, false)
    }
    look(1)
    socket.resume()
    await once(socket, 'close')

    t.ok(socket.bytesRead < 64 * MiB)
  })
}

t.test('a request that the server takes its time to answer is not cut', async t => {
  const answer = Promise.withResolvers<string>()
  let isAsked = false
  const { url, look } = await startWatched(t, app =>
    app.get('/', () => {
      isAsked = true
      return answer.promise
    })
  )

  const asked = fetch(url)
  await until(() => isAsked)
  look(10 * looksCount)
  answer.resolve('late')

  t.equal(await (await asked).text(), 'late')
})

t.test('of an upload that was cut nothing stays, and the log says why', async t => {
  const server = await startServer(t, { env: { SPARK_STAGE_IDLE_SECONDS: '1' } })
  const socket = openSocket(server)
  const lines = ['Content-Type: multipart/form-data; boundary=B', 'Content-Length: 1000000']

  socket.write(requestHead('POST', bundlesPath('team-a'), lines) + filePart('files', 'a', 'x'.repeat(100)))
  await once(socket, 'close')

  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  t.equal(socket.bytesRead, 0, 'no answer, and no 408 above all')
  t.match(server.logLines.join(''), /"movedBytes":0,"leastBytes":1024,"msg":"client too slow"/)
  t.match(server.logLines.join(''), '"msg":"request cut off"')
  t.strictSame(await server.files(), [])
})

t.test('a download that nobody reads ends, and its file is closed', async t => {
  const server = await startServer(t, { env: { SPARK_STAGE_IDLE_SECONDS: '1' } })
  const { bundleId, token } = (await stage(server, [['files', 'a', Buffer.alloc(32 * MiB)]])).json
  const socket = openSocket(server)

  socket.write(
    `GET ${entryPath('team-a', bundleId, 'files/a')} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`
  )
  await until(() => server.logLines.some(line => line.includes('"msg":"client too slow"')))

  await until(() => server.logLines.some(line => line.includes('"msg":"request cut off"')))
  t.notMatch(server.logLines.join(''), 'download failed')
  socket.destroy()
})

for (const [what, text] of [
  ['no request', ''],
  ['half a request', 'GET /livez HTTP/1.1\r\nHost: '],
  ['no second request', 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n']
] as const) {
  t.test(`a connection with ${what} is closed without a word`, async t => {
    const server = await startServer(t, { env: { SPARK_STAGE_IDLE_SECONDS: '1' } })
    const socket = openSocket(server)
    let said = ''
    socket.setEncoding('latin1').on('data', data => {
      said += data
    })

    socket.write(text)
    await once(socket, 'close')

    t.equal(said.match(/HTTP\/1\.1 \d+/g)?.join() ?? '', text.endsWith('\n') ? 'HTTP/1.1 200' : '')
  })
}
