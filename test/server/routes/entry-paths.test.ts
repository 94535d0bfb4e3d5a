import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { dataKey, leaseKey, manifestKey } from '../../../server/staging/keys.ts'
import { bundlePath, entryPath, manifestPath } from '../../../shared/paths.ts'
import { call, download, type Part, stage, upload } from '../../helpers/call.ts'
import { exchange, openSocket, readAnswer } from '../../helpers/raw-request.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { startServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const server = await startServer(t)
const names = [
  'a b',
  'a%2Fb',
  '100%',
  '?',
  '+',
  ';',
  '&=',
  '"quoted"',
  "it's",
  'ünï',
  'u\u0308',
  '日本語.jar',
  '🦄',
  '...',
  '.hidden',
  'x'.repeat(255),
  '🦄'.repeat(63)
]

for (const name of names) {
  t.test(`an entry can be called ${name.slice(0, 20)}`, async t => {
    const { json } = await upload(server, 'GET', '/livez')
    t.strictSame(json, { status: 'live' })
    // The draft form takes the name as it is; multipart clients each have their own way with quotes.
    const staged = await stage(server, [['files', 'first', name]])
    const [{ sha256, sizeBytes }] = staged.json.entries
    const draft = await upload(server, 'POST', '/api/v1/namespaces/team-a/bundles', {
      entries: [{ kind: 'files', name, sizeBytes, sha256 }]
    })
    const committed = await upload(server, 'POST', `${bundlePath('team-a', draft.json.bundleId)}/commit`)

    const answer = await call(server, 'GET', entryPath('team-a', draft.json.bundleId, `files/${name}`), {
      headers: { authorization: `Bearer ${committed.json.token}` }
    })

    t.equal(answer.status, 200)
    t.equal(answer.bytes.toString(), name)
  })
}

t.test('no other path leads anywhere', async t => {
  const { json } = await stage(server, [['files', 'a', '1']])
  const base = manifestPath('team-a', json.bundleId)
  const paths = [
    '/entries',
    '/entries/',
    '/entries/a',
    '/entries/files',
    '/entries/files/',
    '/entries/files/b',
    '/entries/files/A',
    '/entries/jars/a',
    '/entries/files/a/',
    '/entries//files/a',
    '/entries/files//a',
    '/entries/./files/a',
    '/entries/files/../files/a',
    '/entries/../entries/files/a',
    '/entries/files/%2e%2e/files/a',
    '/entries/..%2f..%2flease.json',
    '/entries/../../../../../../etc/passwd',
    '/entries/files/a%00',
    '/entries/data/0',
    '/entries/__proto__',
    '/entries/files%5Ca',
    '/lease.json',
    '/data/0'
  ]

  for (const path of paths) {
    const socket = openSocket(server)
    socket.write(
      `GET ${base}${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer ${json.token}\r\n\r\n`
    )

    isRefusal(t, await readAnswer(socket), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
  }
})

t.test('a bundle that is revoked between the look at its lease and its bytes is gone', async t => {
  let revoke = async () => {}
  const racy = await startServer(t, {
    wrapStore: store =>
      watchStore(store, { before: async method => (method === 'open' ? revoke() : undefined) })
  })
  const { json } = await stage(racy, [['files', 'a', '1']])
  revoke = async () => void (await upload(racy, 'DELETE', bundlePath('team-a', json.bundleId)))

  const answer = await download(racy, json.bundleId, json.token, '/entries/files/a')

  isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
  t.equal(answer.error.reason, 'revoked')
})

t.test('bytes that are lost from the store are the server’s failure, not a missing entry', async t => {
  const lossy = await startServer(t)
  const { json } = await stage(lossy, [['files', 'a', '1']])
  await rm(join(lossy.folder, dataKey({ bundleId: json.bundleId, attempt: 0 }, 0)))

  const answer = await download(lossy, json.bundleId, json.token, '/entries/files/a')

  isRefusal(t, answer, { status: 500, code: 'STAGE_ERR_INTERNAL' })
  t.match(lossy.logLines.join(''), 'data/0: not found')
})

t.test('a manifest that is lost from the store is the server’s failure, too', async t => {
  const folder = join(t.testdir(), 'store')
  const first = await startServer(t, { folder })
  const { json } = await stage(first, [['files', 'a', '1']])
  await first.close()
  await rm(join(folder, manifestKey({ bundleId: json.bundleId, attempt: 0 })))
  const second = await startServer(t, { folder, keysDirectory: first.keysDirectory })

  const answer = await download(second, json.bundleId, json.token)

  isRefusal(t, answer, { status: 500, code: 'STAGE_ERR_INTERNAL' })
})

t.test('a bundle of which nothing is left is gone', async t => {
  const { json } = await stage(server, [['files', 'a', '1']])
  await rm(join(server.folder, 'bundles', json.bundleId), { recursive: true })

  const answer = await download(server, json.bundleId, json.token)

  isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
  t.equal(answer.error.reason, 'removed')
  t.equal(answer.error.endedAt, undefined)
})

t.test('a token of a former bundle does not open the draft that has its id now', async t => {
  const parts: readonly Part[] = [['files', 'a', '1']]
  const { json } = await stage(server, parts, { key: 'reused' })
  const lease = join(server.folder, leaseKey(json.bundleId))
  const draft = { ...JSON.parse(await readFile(lease, 'utf8')), state: 'draft' }
  await writeFile(lease, JSON.stringify(draft))

  const answer = await download(server, json.bundleId, json.token)

  isRefusal(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
  t.equal(answer.error.reason, 'never committed')
})

t.test('a client that vanishes in the middle of a download frees the file, and the line says so', async t => {
  const busy = await startServer(t)
  const { json } = await stage(busy, [['files', 'big', 'x'.repeat(20_000_000)]])
  const path = entryPath('team-a', json.bundleId, 'files/big')
  const socket = openSocket(busy)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${json.token}\r\n\r\n`)
  socket.once('data', () => socket.destroy())

  await until(() => busy.logLines.some(line => /"status":200.*"msg":"request cut off"/.test(line)))

  t.notMatch(busy.logLines.join(''), 'download failed')
})

t.test(
  'bytes that turn out to be too few cut the connection: the client must not take them for all',
  async t => {
    const short = await startServer(t, {
      wrapStore: store =>
        watchStore(store, {
          before: (method, args) => {
            // As if the file on disk were shorter than its manifest says.
            if (method === 'open') Reflect.set(args[1] as object, 'end', 100)
          }
        })
    })
    const { json } = await stage(short, [['files', 'a', 'x'.repeat(50)]])

    const answer = await exchange(
      short,
      `GET ${entryPath('team-a', json.bundleId, 'files/a')} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${json.token}\r\n\r\n`
    )

    t.match(short.logLines.join(''), 'download failed')
    t.match(answer.head, /content-length: /)
  }
)
