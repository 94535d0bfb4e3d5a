import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { openPodStream, type StreamTimes } from '../../../client/kubernetes/pod-stream.ts'
import { KiB, MiB } from '../../../shared/units.ts'
import { FakeApiServer } from '../../helpers/fake-cluster/fake-api-server.ts'
import { channels, greet, message } from '../../helpers/fake-cluster/fake-kubelet.ts'
import { until } from '../../helpers/until.ts'

const never = new AbortController().signal
const target = { namespace: 'a', pod: 'p', port: 8000 }

/** A stream with the other end of it. */
async function open(t: Test, onOpen: (webSocket: WebSocket) => void = greet, times?: StreamTimes) {
  const api = await FakeApiServer.start(t)
  const { promise, resolve } = Promise.withResolvers<WebSocket>()
  let path = ''
  api.onForward = (webSocket, url) => {
    path = url
    onOpen(webSocket)
    resolve(webSocket)
  }
  const stream = await openPodStream(api.config(), target, never, times)
  t.teardown(() => stream.on('error', () => {}).destroy())
  return { stream, other: await promise, path }
}

t.test('bytes go both ways, without the numbers of channels and ports', async t => {
  const { stream, other, path } = await open(t)
  const arrived = once(other, 'message')

  stream.write('ping')
  const [sent] = await arrived
  other.send(message(channels.bytes, 'po'))
  other.send(message(channels.bytes, ''))
  other.send(message(channels.bytes, 'ng'))
  other.close(1000)

  t.strictSame(sent, Buffer.from('\0ping'))
  t.equal(await text(stream), 'pong')
  t.equal(path, '/api/v1/namespaces/a/pods/p/portforward?ports=8000')
})

t.test('what the kubelet says on the channel of errors ends the stream', async t => {
  const { stream, other } = await open(t)

  other.send(message(channels.error, 'connection refused'))

  await t.rejects(once(stream, 'end'), { message: 'connection refused' })
})

t.test('a cut is an error and not the end of the bytes', async t => {
  const { stream, other } = await open(t)

  other.terminate()

  await t.rejects(text(stream), { message: 'the way through the API server was cut (1006)' })
})

t.test('a broken message ends the stream', async t => {
  const { stream, other } = await open(t)

  // A boundary: the socket below, to write what no WebSocket may send.
  const { _socket } = other as unknown as { readonly _socket: NodeJS.WritableStream }
  _socket.write(Buffer.of(0xff, 0xff))

  await t.rejects(text(stream), { code: /^WS_ERR_/ })
})

t.test('a refusal is told with what the API server says', async t => {
  const api = await FakeApiServer.start(t)
  api.refusal = { status: 403, body: '{"message":"no"}' }

  await t.rejects(openPodStream(api.config(), target, never), { code: 403, body: '{"message":"no"}' })
})

t.test('an API server that is away is told as the network tells it', async t => {
  const config = (await FakeApiServer.start(t)).config('http://127.0.0.1:1')

  await t.rejects(openPodStream(config, target, never), { code: 'ECONNREFUSED' })
})

t.test('opening ends with its signal', async t => {
  const api = await FakeApiServer.start(t)
  const stop = new AbortController()
  api.onUpgrade = () => stop.abort()

  const opening = openPodStream(api.config(), target, stop.signal)

  await t.rejects(opening, { message: /closed before/ })
  await t.rejects(openPodStream(api.config(), target, stop.signal), { name: 'AbortError' })
})

t.test('the pod is not read faster than this side takes it', async t => {
  const { stream, other } = await open(t)
  const bytes = Buffer.alloc(64 * KiB)
  let sentBytes = 0
  const sendAll = async () => {
    for (; sentBytes < 64 * MiB; sentBytes += bytes.length) {
      await new Promise<void>(resolve => other.send(message(channels.bytes, bytes), () => resolve()))
    }
    other.close(1000)
  }

  const sending = sendAll()
  await until(() => other.bufferedAmount > 0)
  const heldBytes = sentBytes
  let receivedBytes = 0
  for await (const piece of stream) receivedBytes += piece.length
  await sending

  t.equal(receivedBytes, 64 * MiB)
  t.ok(heldBytes < 32 * MiB, `${heldBytes} bytes were on the way while nobody read`)
})

t.test('a side that answers no more is found out, one that answers stays', async t => {
  let nowMs = 0
  let passingMs = 0
  t.intercept(performance, 'now', { value: () => (nowMs += passingMs) })
  const { stream, other } = await open(t, greet, { openMs: 5000, pingMs: 5, silenceMs: 60_000 })
  for (let pings = 0; pings < 30; pings += 1) {
    await once(other, 'ping')
    nowMs += 10_000
  }
  t.notOk(stream.destroyed)
  const ended = once(stream, 'end')

  other.pause()
  // From now on half a minute passes between two looks at the clock.
  passingMs = 30_000

  await t.rejects(ended, { message: 'no answer any more' })
})

t.test('a stream that nobody reads is not taken for one that is cut', async t => {
  const times = { openMs: 5000, pingMs: 1, silenceMs: 60_000 }
  const flood = (webSocket: WebSocket) => {
    greet(webSocket)
    webSocket.send(message(channels.bytes, Buffer.alloc(1 * MiB)))
  }
  const { stream, other } = await open(t, flood, times)
  await until(() => stream.readableLength > 0)
  // From now on a minute passes between two looks at the clock.
  let nowMs = performance.now()
  const looks = t.intercept(performance, 'now', { value: () => (nowMs += 60_001) })

  await until(() => nowMs > 60_001 * 50)
  looks.restore()
  other.close(1000)

  t.equal((await text(stream)).length, 1 * MiB)
})
