import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import jwt from 'jsonwebtoken'
import t, { type Test } from 'tap'
import { StorageError } from '../../server/storage/storage-driver.ts'
import { type ErrorCode, errorTable } from '../../shared/errors.ts'
import { blobPath, bundlePath, bundlesPath, entryPath } from '../../shared/paths.ts'
import { MiB } from '../../shared/units.ts'
import { type Answer, call, download, type Part, stage, upload } from '../helpers/call.ts'
import { filePart, openSocket, requestHead } from '../helpers/raw-request.ts'
import { credential, otherCredential, sha256, startServer, type TestServer } from '../helpers/start-server.ts'
import { until } from '../helpers/until.ts'
import { watchStore } from '../helpers/watched-store.ts'

const broken: { failure?: 'broken' | 'no-space' | 'unavailable' } = {}
const server = await startServer(t, {
  env: { SPARK_STAGE_MAX_UPLOAD_BYTES: '1000' },
  wrapStore: store =>
    watchStore(store, {
      before: method => {
        if (broken.failure !== undefined && method === 'put')
          throw new StorageError(broken.failure, 'as the test wants it')
      }
    })
})
const files: readonly Part[] = [['files', 'a', 'hello']]
const staged = (await stage(server, files, { key: 'staged' })).json
const revoked = (await stage(server, files)).json
await upload(server, 'DELETE', bundlePath('team-a', revoked.bundleId))
const draft = (await declare('draft')).json

function declare(content: string, changes: object = {}): Promise<Answer> {
  const entry = { kind: 'files', name: 'a', sizeBytes: content.length, sha256: sha256(content) }
  return upload(server, 'POST', bundlesPath('team-a'), { entries: [{ ...entry, ...changes }] })
}

function put(digest: string, body: string, bundleId = draft.bundleId): Promise<Answer> {
  return call(server, 'PUT', blobPath('team-a', bundleId, digest), {
    headers: { authorization: `Bearer ${credential}` },
    body
  })
}

const fetchEntry = (headers: Record<string, string>) =>
  download(server, staged.bundleId, staged.token, '/entries/files/a', headers)

/** How each code is reached: by a real request to a real server. */
const reached: Readonly<Record<ErrorCode, (t: Test) => Promise<Pick<Answer, 'status' | 'error'>>>> = {
  STAGE_ERR_BAD_REQUEST: () => upload(server, 'POST', bundlesPath('team-a'), {}),
  STAGE_ERR_BAD_KIND: () => stage(server, [['jar', 'a', '1']]),
  STAGE_ERR_BAD_NAME: () => stage(server, [['jars', '..', '1']]),
  STAGE_ERR_BAD_ALIAS: () => stage(server, [['jars', 'a#..', '1']]),
  STAGE_ERR_BAD_NAMESPACE: () => stage(server, files, { namespace: 'Default' }),
  STAGE_ERR_BAD_IDEMPOTENCY_KEY: () => stage(server, files, { key: 'caf\xe9' }),
  STAGE_ERR_NO_PARTS: () => upload(server, 'POST', bundlesPath('team-a'), { entries: [] }),
  STAGE_ERR_SAME_NAME: () => stage(server, [...files, ['files', 'a', 'other']]),
  STAGE_ERR_CREDENTIAL: () => stage(server, files, { credential: 'unknown' }),
  STAGE_ERR_TOKEN: () => download(server, staged.bundleId, 'unknown'),
  STAGE_ERR_FORBIDDEN: () => stage(server, files, { credential: otherCredential }),
  STAGE_ERR_FOREIGN_SITE: async t => {
    const open = await startServer(t, { env: { SPARK_STAGE_UPLOAD_AUTH: 'none' } })
    return call(open, 'GET', bundlesPath('team-a'), { headers: { origin: 'https://evil.example' } })
  },
  STAGE_ERR_NOT_FOUND: () => call(server, 'GET', '/nothing'),
  STAGE_ERR_UNKNOWN_BLOB: () => put(sha256('other'), 'other'),
  STAGE_ERR_INCOMPLETE: () => upload(server, 'POST', `${bundlePath('team-a', draft.bundleId)}/commit`),
  STAGE_ERR_UPLOAD_RUNNING: async () => {
    const busy = await beginUpload(server)
    const answer = await stage(server, files, { key: 'running' })
    busy.destroy()
    return answer
  },
  STAGE_ERR_COMMITTED: () => put(sha256('hello'), 'hello', staged.bundleId),
  STAGE_ERR_NOT_COMMITTED: () => upload(server, 'POST', `${bundlePath('team-a', draft.bundleId)}/renew`),
  STAGE_ERR_GONE: () => download(server, revoked.bundleId, revoked.token),
  STAGE_ERR_PRECONDITION: () => fetchEntry({ 'if-match': '"other"' }),
  STAGE_ERR_TOO_LARGE: () => stage(server, [['files', 'a', 'x'.repeat(1001)]]),
  STAGE_ERR_TOO_MANY_ENTRIES: () => {
    const entries = Array.from({ length: 10_001 }, (_, n) => ({
      kind: 'files',
      name: String(n),
      sizeBytes: 0,
      sha256: sha256('')
    }))
    return upload(server, 'POST', bundlesPath('team-a'), { entries })
  },
  STAGE_ERR_MEDIA_TYPE: () => upload(server, 'POST', bundlesPath('team-a')),
  STAGE_ERR_RANGE: () => fetchEntry({ range: 'bytes=5-' }),
  STAGE_ERR_DIGEST: () => put(sha256('draft'), 'drift'),
  STAGE_ERR_SIZE: () => put(sha256('draft'), 'drafts'),
  STAGE_ERR_KEY_REUSED: () => stage(server, [['files', 'a', 'other']], { key: 'staged' }),
  STAGE_ERR_CLIENT_GONE: async () => {
    const socket = openSocket(server)
    socket.write(
      requestHead('PUT', blobPath('team-a', draft.bundleId, sha256('draft')), ['Content-Length: 5'])
    )
    await until(async () => (await server.files()).some(path => path.startsWith('tmp/')))
    socket.destroy()
    // Nobody is left to read the answer: the log has its code.
    const line = () => server.logLines.find(text => text.includes('nothing kept of a cut request'))
    await until(() => line() !== undefined)
    return { status: 499, error: JSON.parse(line() ?? '') }
  },
  STAGE_ERR_INTERNAL: () => whileBroken('broken'),
  STAGE_ERR_BUSY: async t => {
    const busy = await startServer(t, {
      env: { SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: '1', SPARK_STAGE_MAX_QUEUED_DOWNLOADS: '0' }
    })
    // More than the connection's own buffers hold, and nobody reads it.
    const large = (await stage(busy, [['files', 'a', Buffer.alloc(32 * MiB)]])).json
    const reader = openSocket(busy)
    const lines = ['Host: localhost', `Authorization: Bearer ${large.token}`]
    reader.write(
      `GET ${entryPath('team-a', large.bundleId, 'files/a')} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
    )
    await once(reader, 'readable')
    const answer = await download(busy, large.bundleId, large.token, '/entries/files/a')
    reader.destroy()
    return answer
  },
  STAGE_ERR_STOPPING: async t => {
    const stopping = await startServer(t)
    const busy = await beginUpload(stopping)
    const closed = stopping.close()
    const answer = await stage(stopping, files)
    busy.destroy()
    await closed
    return answer
  },
  STAGE_ERR_KEY_UNKNOWN: () => {
    const claims = jwt.decode(staged.token) as object
    return download(server, staged.bundleId, jwt.sign(claims, 'x'.repeat(32), { keyid: 'unknown' }))
  },
  STAGE_ERR_QUOTA: async t => {
    const env = { SPARK_STAGE_NAMESPACE_QUOTA_BYTES: '1000' }
    const full = await startServer(t, { env })
    await stage(full, [['files', 'a', 'x'.repeat(900)]])
    return stage(full, [['files', 'b', 'x'.repeat(200)]])
  },
  STAGE_ERR_NO_SPACE: () => whileBroken('no-space'),
  STAGE_ERR_STORE_UNAVAILABLE: () => whileBroken('unavailable'),
  // The last one: from here on nobody may upload.
  STAGE_ERR_IDENTITY: async () => {
    await writeFile(join(dirname(server.folder), 'tokens.json'), 'no JSON')
    return stage(server, files)
  }
}

/** An upload with the key `running` that has not sent all of its bytes. */
async function beginUpload(to: TestServer): Promise<Socket> {
  const lines = [
    'Content-Type: multipart/form-data; boundary=B',
    'Content-Length: 1000',
    'Idempotency-Key: running'
  ]
  const parsing = () => to.logLines.filter(line => line.includes('starting multipart parsing')).length
  const before = parsing()
  const socket = openSocket(to)
  socket.write(requestHead('POST', bundlesPath('team-a'), lines) + filePart('files', 'a'))
  await until(() => parsing() > before)
  return socket
}

async function whileBroken(failure: 'broken' | 'no-space' | 'unavailable'): Promise<Answer> {
  broken.failure = failure
  const answer = await stage(server, files)
  delete broken.failure
  return answer
}

t.test('there is a request for every code of the error table', t => {
  t.strictSame(Object.keys(reached).sort(), Object.keys(errorTable).sort())
  t.end()
})

for (const [code, request] of Object.entries(reached)) {
  t.test(`${code} is reached by a request`, async t => {
    const { status, error } = await request(t)

    t.equal(error.code, code)
    t.equal(status, errorTable[code as ErrorCode].status)
  })
}
