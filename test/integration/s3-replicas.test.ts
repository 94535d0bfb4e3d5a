import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { ErrorBody } from '../../shared/errors.ts'
import { blobPath, bundlePath, bundlesPath } from '../../shared/paths.ts'
import { KiB, MiB } from '../../shared/units.ts'
import { call, stage, upload } from '../helpers/call.ts'
import { credential, otherCredential, sha256 } from '../helpers/start-server.ts'
import { sha256sums, writeRandomFile } from './helpers/files.ts'
import { submitMany } from './helpers/many-submissions.ts'
import { startMinio } from './helpers/minio.ts'
import { fetchInto, put } from './helpers/programs.ts'
import { startReplicas } from './helpers/replicas.ts'
import { startProxy } from './helpers/tcp-proxy.ts'

t.test(
  'a draft on one server, its bytes through another, its commit on the third: it is one bundle',
  async t => {
    const { servers, url, home } = await startReplicas(t, await startMinio(t))
    const [first, second, third] = servers
    if (first === undefined || second === undefined || third === undefined) throw new Error('expected three')
    const contents = ['small', 'x'.repeat(12 * MiB)]
    const entries = contents.map((content, index) => {
      return { kind: 'files', name: `${index}`, sizeBytes: content.length, sha256: sha256(content) }
    })

    const draft = await upload(first, 'POST', bundlesPath('team-a'), { entries })
    const { bundleId, missing } = draft.json
    const headers = { authorization: `Bearer ${credential}` }
    const blobs = await Promise.all(
      contents.map(body => call(second, 'PUT', blobPath('team-a', bundleId, sha256(body)), { headers, body }))
    )
    const commit = await upload(third, 'POST', `${bundlePath('team-a', bundleId)}/commit`)
    const tokenFile = await writeToken(home, commit.json.token)
    await fetchInto(t, { url, staged: { bundle: `team-a/${bundleId}`, tokenFile }, into: join(home, 'into') })

    t.equal(missing.length, 2)
    t.same(
      blobs.map(({ status }) => status),
      [201, 201]
    )
    t.equal(commit.status, 200)
    const files = ['0', '1'].map(name => join(home, 'into', 'files', name))
    t.same(Object.values(await sha256sums(files)), contents.map(sha256))
  }
)

t.test('200 submissions at once, of 1 KB to 200 MB, 1 GB in all', t => submitMany(t, 3))

t.test('300 MB that are there already cross neither network again', async t => {
  const minio = await startMinio(t)
  const store = await startProxy(t, minio.endpoint)
  const replicas = await startReplicas(t, minio, { endpoint: store.url })
  const door = await startProxy(t, replicas.url)
  const { home, credentialFile } = replicas
  const path = await writeRandomFile(join(home, 'data.bin'), 300_000_000)
  const submit = (name: string) =>
    put(t, { url: door.url, credentialFile, files: ['--file', path], tokenFile: join(home, name) })

  const first = await submit('token-1')
  const before = { up: door.upBytes, stored: store.upBytes + store.downBytes }
  const second = await submit('token-2')
  const upBytes = door.upBytes - before.up
  const storedBytes = store.upBytes + store.downBytes - before.stored

  t.equal(first.uploadedBytes, 300_000_000)
  t.equal(second.uploadedBytes, 0)
  t.ok(upBytes < 64 * KiB, `${upBytes} bytes leave the client`)
  t.ok(storedBytes < 1_000_000, `${storedBytes} bytes between servers and store`)
  await fetchInto(t, { url: replicas.url, staged: second, into: join(home, 'into') })
  t.same(await sha256sums([join(home, 'into', 'files', 'data.bin')]), await sha256sums([path]))
})

t.test('two namespaces with a credential each know nothing of each other', async t => {
  const { servers, url } = await startReplicas(t, await startMinio(t))
  const secret = 'what only team-a may know'
  const entry = { kind: 'files', name: 'f', sizeBytes: secret.length, sha256: sha256(secret) }
  const staged = await stage({ url }, [['files', 'f', secret]])
  const { bundleId, token } = staged.json
  const foreign = { authorization: `Bearer ${otherCredential}` }
  const declare = (server: { readonly url: string }) =>
    call(server, 'POST', bundlesPath('team-c'), {
      headers: { ...foreign, 'content-type': 'application/json' },
      body: JSON.stringify({ entries: [entry] })
    })

  for (const server of servers) {
    const ask = (method: string, path: string) => call(server, method, path, { headers: foreign })
    const own = await ask('GET', bundlesPath('team-c'))
    const theirs = await ask('GET', bundlesPath('team-a'))
    const asTheirs = await ask('POST', `${bundlePath('team-a', bundleId)}/token`)
    const asOwn = await ask('POST', `${bundlePath('team-c', bundleId)}/token`)
    const removed = await ask('DELETE', `${bundlePath('team-c', bundleId)}`)
    const unknown = await ask('DELETE', `${bundlePath('team-c', '0'.repeat(32))}`)
    const read = await ask('GET', `/api/v1/bundles/team-a/${bundleId}`)
    const claimed = await declare(server)

    t.equal(own.status, 200)
    t.notOk(own.bytes.includes(bundleId))
    t.equal(theirs.status, 403)
    t.equal(asTheirs.status, 403)
    t.equal(asOwn.status, 404)
    t.same(withoutIds(removed.error, bundleId), withoutIds(unknown.error, '0'.repeat(32)))
    t.equal(read.status, 401)
    t.same(claimed.json.missing, [entry.sha256], 'bytes of another namespace are missing here')
  }
  const still = await call({ url }, 'GET', `/api/v1/bundles/team-a/${bundleId}/entries/files/f`, {
    headers: { authorization: `Bearer ${token}` }
  })
  t.equal(`${still.bytes}`, secret)
  t.same((await upload({ url }, 'POST', bundlesPath('team-a'), { entries: [entry] })).json.missing, [])
})

/** What an error says, but for what is different in each. */
function withoutIds({ requestId: _requestId, ...error }: ErrorBody, bundleId: string) {
  return JSON.parse(JSON.stringify(error).replaceAll(bundleId, '<id>'))
}

async function writeToken(folder: string, token: string): Promise<string> {
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, token)
  return tokenFile
}
