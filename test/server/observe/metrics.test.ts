import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { Metrics } from '../../../server/observe/metrics.ts'
import { figuresOf } from '../../../server/observe/store-figures.ts'
import { Usage } from '../../../server/staging/usage.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { bundlesPath, entryPath } from '../../../shared/paths.ts'
import { hourMs } from '../../../shared/units.ts'
import { call, download, stage, upload } from '../../helpers/call.ts'
import { filePart, openSocket, requestHead } from '../../helpers/raw-request.ts'
import { replaceMethods } from '../../helpers/replaced-store.ts'
import { sha256, startServer, withoutSweeps } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'
import { loopbackCertificate } from '../../init-container/loopback-certificate.ts'

/** The figures of a server, each under its name with its labels. */
async function figuresAt(server: { readonly url: string }): Promise<Readonly<Record<string, number>>> {
  return figuresIn((await call(server, 'GET', '/metrics')).bytes.toString())
}

function figuresIn(text: string): Readonly<Record<string, number>> {
  const lines = text.split('\n')
  const samples = lines.filter(line => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    samples.map(line => [line.replace(/ \S+$/, ''), Number(line.replace(/^.* /, ''))])
  )
}

const draftOf = (content: string) => ({
  entries: [{ kind: 'files', name: 'b', sizeBytes: content.length, sha256: sha256(content) }]
})

t.test('figures are what Prometheus reads', async t => {
  const server = await startServer(t)

  const { status, headers } = await call(server, 'GET', '/metrics')

  t.equal(status, 200)
  t.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
})

t.test('what the store holds is shown, and what is reserved and free', async t => {
  const server = await startServer(t)
  await stage(server, [['files', 'a', 'hello']])
  await upload(server, 'POST', bundlesPath('team-a'), draftOf('draft bytes'))

  const figures = await figuresAt(server)

  t.match(figures, {
    'spark_stage_bundles{state="committed"}': 1,
    'spark_stage_bundles{state="draft"}': 1,
    spark_stage_stored_bytes: 5,
    spark_stage_reserved_bytes: 11
  })
  t.ok(Number(figures['spark_stage_free_bytes']) > 0)
})

t.test('reading the figures costs the store the same, whatever is stored', async t => {
  const calls: string[] = []
  const server = await startServer(t, {
    env: withoutSweeps,
    wrapStore: store => watchStore(store, { before: method => void calls.push(method) })
  })
  const callsOfScrape = async () => {
    calls.length = 0
    await figuresAt(server)
    return [...calls].sort()
  }

  const empty = await callsOfScrape()
  for (let number = 0; number < 20; number += 1) await stage(server, [['files', 'a', `${number}`]])
  const filled = await callsOfScrape()

  t.strictSame(empty, ['read', 'space'])
  t.strictSame(filled, empty)
})

t.test('what the store cannot tell now is no number, and the rest is there', async t => {
  const failing = { isBroken: false }
  const server = await startServer(t, {
    env: withoutSweeps,
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (failing.isBroken && ['read', 'space'].includes(method))
            throw new StorageError('broken', 'no disk')
        }
      })
  })
  failing.isBroken = true

  const figures = await figuresAt(server)

  for (const name of [
    'spark_stage_stored_bytes',
    'spark_stage_reserved_bytes',
    'spark_stage_free_bytes',
    'spark_stage_bundles{state="committed"}'
  ]) {
    t.ok(Number.isNaN(figures[name]), name)
  }
  t.equal(figures['spark_stage_active_transfers{direction="upload"}'], 0)
})

t.test(
  'a store that knows no bounds has no free bytes, and a bug is not taken for a failing store',
  async t => {
    const { store } = await startServer(t)
    const boundless = new Proxy(store, {
      get: (target, name) => (name === 'space' ? undefined : Reflect.get(target, name).bind(target))
    })
    const downloads = { activeCount: 0, queuedCount: 0 }
    const buggy = replaceMethods(store, { read: () => Promise.reject(new TypeError('not a function')) })

    const text = await new Metrics({ downloads, ...figuresOf(boundless, new Usage(boundless)) }).text()

    t.notMatch(text, /spark_stage_free_bytes/)
    t.match(text, /^spark_stage_stored_bytes 0$/m)
    await t.rejects(figuresOf(buggy, new Usage(buggy)).storeFigures(), { message: 'not a function' })
  }
)

t.test('requests, actions and refusals are counted, without a name from outside', async t => {
  const server = await startServer(t)
  const { bundleId, token } = (await stage(server, [['files', 'a', '1']])).json
  await stage(server, [['files', '..', '1']])
  await download(server, bundleId, token, '/entries/files/a')
  await call(server, 'GET', '/no/such/path')

  const figures = await figuresAt(server)

  const route = '/api/v1/namespaces/:ns/bundles'
  t.match(figures, {
    [`spark_stage_request_duration_seconds_count{method="POST",route="${route}",status="2xx"}`]: 1,
    [`spark_stage_request_duration_seconds_count{method="POST",route="${route}",status="4xx"}`]: 1,
    'spark_stage_request_duration_seconds_count{method="GET",route="none",status="4xx"}': 1,
    'spark_stage_actions_total{action="stage",outcome="done"}': 1,
    'spark_stage_actions_total{action="stage",outcome="refused"}': 1,
    'spark_stage_actions_total{action="download",outcome="done"}': 1,
    'spark_stage_refusals_total{code="STAGE_ERR_BAD_NAME"}': 1,
    'spark_stage_refusals_total{code="STAGE_ERR_NOT_FOUND"}': 1,
    'spark_stage_refusals_total{code="STAGE_ERR_INTERNAL"}': 0
  })
  const names = Object.keys(figures).join('\n')
  for (const outside of ['team-a', bundleId, 'alice', 'such']) t.notMatch(names, outside)
})

t.test('an upload is under way until it ends, and counted as cut when its client leaves', async t => {
  const server = await startServer(t)
  const active = async () => (await figuresAt(server))['spark_stage_active_transfers{direction="upload"}']
  const socket = openSocket(server)
  const lines = ['Content-Type: multipart/form-data; boundary=B', 'Content-Length: 1000']
  socket.write(requestHead('POST', bundlesPath('team-a'), lines) + filePart('files', 'a'))
  await until(async () => (await active()) === 1)

  socket.destroy()

  await until(async () => (await active()) === 0)
  const route = '/api/v1/namespaces/:ns/bundles'
  t.match(await figuresAt(server), {
    [`spark_stage_request_duration_seconds_count{method="POST",route="${route}",status="cut"}`]: 1,
    'spark_stage_actions_total{action="stage",outcome="cut off"}': 1
  })
})

t.test('downloads are active or wait for their turn', async t => {
  const gate = Promise.withResolvers<void>()
  const server = await startServer(t, {
    env: { SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: '1' },
    wrapStore: store =>
      replaceMethods(store, {
        open: async (key, range) => {
          const bytes = await store.open(key, range)
          return { ...bytes, sendTo: (sink, signal) => gate.promise.then(() => bytes.sendTo(sink, signal)) }
        }
      })
  })
  const { bundleId, token } = (await stage(server, [['files', 'a', '1']])).json
  const both = [1, 2].map(() => download(server, bundleId, token, '/entries/files/a'))

  await until(async () => (await figuresAt(server))['spark_stage_queued_transfers'] === 1)

  t.equal((await figuresAt(server))['spark_stage_active_transfers{direction="download"}'], 1)
  gate.resolve()
  t.strictSame(
    (await Promise.all(both)).map(({ status }) => status),
    [200, 200]
  )
  t.match(await figuresAt(server), {
    'spark_stage_active_transfers{direction="download"}': 0,
    spark_stage_queued_transfers: 0
  })
})

t.test('bytes are counted in both directions, on connections that are open and on closed ones', async t => {
  const server = await startServer(t)
  const content = 'x'.repeat(100_000)
  const before = await figuresAt(server)

  const { bundleId, token } = (await stage(server, [['files', 'a', content]])).json
  await download(server, bundleId, token, '/entries/files/a')
  const open = await figuresAt(server)
  const socket = openSocket(server)
  const path = entryPath('team-a', bundleId, 'files/a')
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n\r\n`
  )
  await new Promise(resolve => socket.resume().once('close', resolve))
  await until(async () => growth(open, await figuresAt(server), 'sent') > content.length)
  const closed = await figuresAt(server)

  t.ok(growth(before, open, 'received') > content.length)
  t.ok(growth(before, open, 'sent') > content.length)
  t.ok(growth(open, closed, 'received') > 0)
  t.ok(Number(closed['spark_stage_connections']) > 0)
})

t.test('under TLS, what is counted is what was said, not how it was encrypted', async t => {
  const { cert, key } = loopbackCertificate
  const folder = t.testdir({ cert, key })
  const env = {
    SPARK_STAGE_TLS_CERT_FILE: join(folder, 'cert'),
    SPARK_STAGE_TLS_KEY_FILE: join(folder, 'key')
  }
  const server = await startServer(t, { env })
  const port = Number(new URL(server.url).port)
  const said = 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

  const socket = connect({ port, host: '127.0.0.1', ca: cert })
  socket.write(said)
  const heard = Buffer.concat(await socket.toArray())

  const counted = async () => figuresIn((await server.app.server.inject('/metrics')).body)
  await until(async () => (await counted())['spark_stage_connections'] === 0)
  t.match(await counted(), {
    spark_stage_received_bytes_total: said.length,
    spark_stage_sent_bytes_total: heard.length
  })
})

function growth(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  direction: 'received' | 'sent'
): number {
  const name = `spark_stage_${direction}_bytes_total`
  return Number(after[name]) - Number(before[name])
}

t.test('sweeps are counted with what they did, and with their failures', async t => {
  const clock = new TestClock()
  const failing = { isBroken: false }
  const server = await startServer(t, {
    clock,
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (failing.isBroken && method === 'list') throw new StorageError('broken', 'no disk')
        }
      })
  })
  await upload(server, 'POST', bundlesPath('team-a'), draftOf('draft'))

  clock.advance(2 * hourMs)
  await until(async () => (await figuresAt(server))['spark_stage_swept_bundles_total{result="ended"}'] === 1)
  failing.isBroken = true
  clock.advance(hourMs)
  const failed = 'spark_stage_sweep_duration_seconds_count{outcome="failed"}'
  await until(async () => (await figuresAt(server))[failed] !== undefined)

  const figures = await figuresAt(server)
  t.match(figures, {
    'spark_stage_actions_total{action="remove",outcome="done"}': 1,
    'spark_stage_swept_bundles_total{result="failed"}': 0
  })
  t.ok(Number(figures['spark_stage_sweep_duration_seconds_count{outcome="done"}']) > 0)
  t.ok(Number(figures['spark_stage_swept_bundles_total{result="looked"}']) > 0)
})
