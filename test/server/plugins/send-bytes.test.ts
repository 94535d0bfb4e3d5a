import { once } from 'node:events'
import { get } from 'node:http'
import type { Writable } from 'node:stream'
import Fastify, { type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { DownloadQueue } from '../../../server/plugins/download-queue.ts'
import { registerErrors } from '../../../server/plugins/errors.ts'
import { sendBytes } from '../../../server/plugins/send-bytes.ts'
import type { FoundEntry } from '../../../server/staging/bundles.ts'
import type { StoredManifest } from '../../../server/staging/manifests.ts'
import type { OpenBytes } from '../../../server/storage/storage-driver.ts'
import { StagingError } from '../../../shared/errors.ts'
import { until } from '../../helpers/until.ts'

// A boundary: of a manifest, only whose it is matters here.
const manifest = { namespace: 'team-a', bundleId: '0'.repeat(32) } as StoredManifest
const entry = { path: 'files/a', sizeBytes: 5, in: manifest } as FoundEntry

interface Behaviour {
  /** How the bytes of a request are sent, by its path. */
  readonly sendTo?: (path: string, sink: Writable, signal: AbortSignal) => Promise<void>
  readonly longestWaitMs?: number
}

/** A server of one entry with places for one download and one that waits. */
async function startSending(t: Test, behaviour: Behaviour = {}) {
  const downloads = new DownloadQueue({ maxActiveCount: 1, maxQueuedCount: 1 })
  const state = { isRevoked: false, openCount: 0, openedCount: 0, readCount: 0 }
  const bundles = (request: FastifyRequest) => ({
    read: async () => {
      state.readCount += 1
      if (state.isRevoked) throw new StagingError('STAGE_ERR_GONE', { reason: 'revoked' })
      return manifest
    },
    open: async (): Promise<OpenBytes> => {
      state.openCount += 1
      state.openedCount += 1
      return {
        sendTo: (sink, signal) => {
          if (behaviour.sendTo !== undefined) return behaviour.sendTo(request.url, sink, signal)
          sink.write('hello')
          return Promise.resolve()
        },
        close: async () => {
          state.openCount -= 1
        }
      }
    }
  })
  const logLines: string[] = []
  const app = Fastify({ logger: { stream: { write: line => logLines.push(line) } } })
  registerErrors(app)
  app.get('/*', async (request, reply) => {
    const end = request.url === '/empty' ? 0 : 5
    const { longestWaitMs } = behaviour
    await sendBytes(
      request,
      reply,
      { bundles: bundles(request), downloads },
      {
        status: 200,
        headers: { 'content-length': end },
        entry,
        range: { start: 0, end },
        ...(longestWaitMs === undefined ? {} : { longestWaitMs })
      }
    )
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  return { url, downloads, state, logLines }
}

/** Keeps the download of `/held` under way until it is let go. */
function holdDownloads() {
  const held = Promise.withResolvers<void>()
  const sendTo = async (path: string, sink: Writable) => {
    if (path === '/held') await held.promise
    sink.write('hello')
  }
  return { sendTo, letGo: () => held.resolve() }
}

t.test('a download that waits has no file open, and comes whole when its turn comes', async t => {
  const { sendTo, letGo } = holdDownloads()
  const { url, downloads, state } = await startSending(t, { sendTo })
  const first = fetch(`${url}/held`)
  await until(() => state.openCount === 1)

  const second = fetch(`${url}/second`)
  await until(() => downloads.queuedCount === 1)

  t.equal(state.openedCount, 1)
  t.equal(state.readCount, 0)
  letGo()
  t.equal(await (await first).text(), 'hello')
  t.equal(await (await second).text(), 'hello')
  t.equal(state.readCount, 1, 'its lease was looked at again')
  await until(() => state.openCount === 0)
  t.equal(downloads.activeCount, 0)
})

t.test('one more is told to come again, and answers without bytes need no place', async t => {
  const { sendTo, letGo } = holdDownloads()
  const { url, downloads, state } = await startSending(t, { sendTo })
  const first = fetch(`${url}/held`)
  await until(() => state.openCount === 1)
  const second = fetch(`${url}/second`)
  await until(() => downloads.queuedCount === 1)

  const third = await fetch(`${url}/third`)

  t.equal(third.status, 503)
  t.equal(third.headers.get('retry-after'), '10')
  t.match(await third.json(), { code: 'STAGE_ERR_BUSY' })
  const head = await fetch(`${url}/head`, { method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal(head.headers.get('content-length'), '5')
  t.equal((await fetch(`${url}/empty`)).status, 200)
  t.equal(state.openedCount, 1)
  letGo()
  for (const answer of [first, second]) t.equal(await (await answer).text(), 'hello')
})

t.test('a bundle that was revoked while its download waited is gone', async t => {
  const { sendTo, letGo } = holdDownloads()
  const { url, downloads, state } = await startSending(t, { sendTo })
  const first = fetch(`${url}/held`)
  await until(() => state.openCount === 1)
  const second = fetch(`${url}/second`)
  await until(() => downloads.queuedCount === 1)

  state.isRevoked = true
  letGo()

  t.equal(await (await first).text(), 'hello')
  const answer = await second
  t.equal(answer.status, 410)
  t.match(await answer.json(), { code: 'STAGE_ERR_GONE', reason: 'revoked' })
  t.equal(state.openedCount, 1)
  t.equal(downloads.activeCount, 0)
})

t.test('a client that goes while it waits leaves the queue, and the next has its place', async t => {
  const { sendTo, letGo } = holdDownloads()
  const { url, downloads, state, logLines } = await startSending(t, { sendTo })
  const first = fetch(`${url}/held`)
  await until(() => state.openCount === 1)
  const goes = get(`${url}/goes`).on('error', () => {})
  await until(() => downloads.queuedCount === 1)

  goes.destroy()

  await until(() => downloads.queuedCount === 0)
  const next = fetch(`${url}/next`)
  await until(() => downloads.queuedCount === 1)
  letGo()
  t.equal(await (await next).text(), 'hello')
  await first
  t.equal(state.openedCount, 2)
  t.notMatch(logLines.join(''), '"level":50')
})

t.test('one that cannot wait long is not refused, and begins beside the others', async t => {
  const { sendTo, letGo } = holdDownloads()
  const { url, downloads, state } = await startSending(t, { sendTo, longestWaitMs: 1 })
  const first = fetch(`${url}/held`)
  await until(() => state.openCount === 1)

  const others = await Promise.all(['a', 'b', 'c'].map(name => fetch(`${url}/${name}`)))

  for (const answer of others) t.equal(await answer.text(), 'hello')
  t.equal(state.openCount, 1)
  t.equal(downloads.activeCount, 1)
  letGo()
  await first
})

t.test('bytes that cannot be read cut the answer off, are logged, and give everything back', async t => {
  const sendTo = async (_path: string, sink: Writable) => {
    sink.write('he')
    throw new Error('disk failed')
  }
  const { url, downloads, state, logLines } = await startSending(t, { sendTo })

  await t.rejects(async () => (await fetch(url)).text())

  await until(() => downloads.activeCount === 0)
  t.equal(state.openCount, 0)
  t.match(logLines.join(''), 'disk failed')
})

t.test('a client that goes away in the middle is no failure of the server', async t => {
  const sendTo = async (_path: string, sink: Writable, signal: AbortSignal) => {
    sink.write('he')
    await once(signal, 'abort')
    signal.throwIfAborted()
  }
  const { url, downloads, state, logLines } = await startSending(t, { sendTo })
  const request = get(url).on('error', () => {})
  await once(request, 'response')

  request.destroy()

  await until(() => downloads.activeCount === 0)
  t.equal(state.openCount, 0)
  t.notMatch(logLines.join(''), 'download failed')
})
