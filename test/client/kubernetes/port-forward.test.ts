import { once } from 'node:events'
import { connect } from 'node:net'
import { type Duplex, PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { forwardPort } from '../../../client/kubernetes/port-forward.ts'

/** A way whose other side answers with what it is told, in capitals. */
function shouting(): Duplex {
  return new PassThrough({
    transform: (bytes, _encoding, done) => done(null, String(bytes).toUpperCase())
  })
}

async function forwarded(t: Test, open: (signal: AbortSignal) => Promise<Duplex>) {
  const failures: string[] = []
  const forward = await forwardPort(open, error => failures.push(error.message))
  t.teardown(() => forward.close())
  const dial = () => connect(forward.port, '127.0.0.1').on('error', () => {})
  return { forward, failures, dial }
}

t.test('every connection has a way of its own, to the last byte', async t => {
  let ways = 0
  const { dial, failures } = await forwarded(t, async () => {
    ways += 1
    return shouting()
  })

  const answers = await Promise.all(['one', 'two', 'three'].map(word => text(dial().end(word))))

  t.strictSame(answers, ['ONE', 'TWO', 'THREE'])
  t.equal(ways, 3)
  t.strictSame(failures, [])
})

t.test('a connection whose way cannot be opened is closed, the next one is tried', async t => {
  let fails = true
  const { dial, failures } = await forwarded(t, async () => {
    if (fails) throw new Error('no pod is ready')
    return shouting()
  })

  await once(dial().resume(), 'close')
  fails = false

  t.equal(await text(dial().end('again')), 'AGAIN')
  t.strictSame(failures, ['no pod is ready'])
})

t.test('a way that is cut closes its connection', async t => {
  const way = shouting()
  const { dial, failures } = await forwarded(t, async () => way)
  const socket = dial().resume()
  socket.write('x')
  await once(socket, 'data')

  way.destroy(new Error('cut'))
  await once(socket, 'close')

  t.strictSame(failures, ['cut'])
})

t.test('who hangs up ends the way, and is told nothing', async t => {
  const way = shouting()
  const { dial, failures } = await forwarded(t, async () => way)
  const socket = dial().resume()
  socket.write('x')
  await once(socket, 'data')

  socket.destroy()
  await once(way, 'close')

  t.ok(way.destroyed)
  t.strictSame(failures, [])
})

t.test('closing ends all connections, also those whose way is not open yet', async t => {
  const ways = [shouting()]
  const asked = Promise.withResolvers<void>()
  const { forward, dial, failures } = await forwarded(t, async signal => {
    const way = ways.pop()
    if (way !== undefined) return way
    asked.resolve()
    return await new Promise((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error('stopped')))
    )
  })
  const sockets = [dial().resume()]
  sockets[0]?.write('x')
  await once(sockets[0] as Duplex, 'data')
  sockets.push(dial().resume())
  await asked.promise

  const closed = Promise.all(sockets.map(socket => once(socket, 'close')))
  await forward.close()
  await closed

  t.strictSame(failures, [])
  await t.rejects(once(dial(), 'connect'), { code: 'ECONNREFUSED' })
})
