import { createHash, randomBytes } from 'node:crypto'
import { appendFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type HashedFile, hashFiles } from '../../client/hash-files.ts'
import { StageServer } from '../../client/http-client.ts'
import { selectFiles } from '../../client/local-files.ts'
import { type Uploaded, uploadBundle } from '../../client/upload-bundle.ts'
import type { Report } from '../../shared/progress.ts'
import { MiB } from '../../shared/units.ts'
import {
  answer,
  answerError,
  type FakeServer,
  fakeBundleId,
  fakeToken,
  startFakeServer
} from './fake-server.ts'

const never = new AbortController().signal

/** Files with these bytes, hashed. */
async function hashed(
  t: Test,
  contents: Readonly<Record<string, Buffer | string>>
): Promise<readonly HashedFile[]> {
  const root = t.testdir()
  const texts = Object.keys(contents).map(name => join(root, name))
  for (const [name, bytes] of Object.entries(contents)) await writeFile(join(root, name), bytes)
  return hashFiles(
    await selectFiles(texts.map(text => ({ kind: 'files', flag: '--file', text }))),
    () => {},
    never
  )
}

/** Uploads and records what the report was told. */
async function upload(
  server: FakeServer,
  files: readonly HashedFile[],
  {
    signal = never,
    giveUpMs = 10_000,
    parallelCount = 4,
    uploadToken
  }: {
    signal?: AbortSignal
    giveUpMs?: number
    parallelCount?: number
    uploadToken?: string
  } = {},
  notes: string[] = []
): Promise<Uploaded & { readonly shownBytes: number }> {
  let shownBytes = 0
  const move = (bytes: number) => {
    shownBytes += bytes
  }
  const report: Report = { begin: () => ({ move, end: () => {} }), note: line => notes.push(line) }
  const url = new URL(`${server.url}/`)
  await using connection = await StageServer.open({ url, giveUpMs, uploadToken, onRetry: report.note })
  const request = { namespace: 'team-a', files, idempotencyKey: 'key-1', parallelCount }
  return { ...(await uploadBundle(connection, request, report, signal)), shownBytes }
}

t.test('only what the server lacks is sent, and the answer tells how much', async t => {
  const server = await startFakeServer(t)
  const files = await hashed(t, { old: 'known already', new: 'new bytes', empty: '' })
  const [old] = files
  server.blobs.set(String(old?.sha256), Buffer.from('known already'))

  const uploaded = await upload(server, files, { uploadToken: 'credential' })

  t.match(uploaded, { token: fakeToken, uploadedBytes: 9, totalBytes: 22, shownBytes: 9 })
  t.strictSame(
    server.requests.map(({ method }) => method),
    ['POST', 'PUT', 'PUT', 'POST', 'GET']
  )
  const shown = server.requests.map(({ headers }) => headers.authorization)
  t.strictSame(shown, [...Array(4).fill('Bearer credential'), `Bearer ${fakeToken}`])
  const puts = server.requests.filter(({ method }) => method === 'PUT')
  t.strictSame(
    // Two are sent at once.
    puts.map(({ headers }) => headers['content-length']).sort(),
    ['0', '9']
  )
})

t.test('the same again sends little and no file', async t => {
  const server = await startFakeServer(t)
  const contents = Object.fromEntries(
    Array.from({ length: 100 }, (_, index) => [`file-${index}.jar`, randomBytes(100)])
  )
  const files = await hashed(t, contents)
  await upload(server, files)
  server.requests.length = 0

  const uploaded = await upload(server, files)

  t.equal(uploaded.uploadedBytes, 0)
  t.strictSame(
    server.requests.map(({ method }) => method),
    ['POST', 'POST', 'GET']
  )
  t.ok(server.requests.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) < 32 * 1024)
})

t.test('equal bytes under two names are sent once', async t => {
  const server = await startFakeServer(t)
  const files = await hashed(t, { a: 'same', b: 'same' })

  const uploaded = await upload(server, files)

  t.equal(server.requests.filter(({ method }) => method === 'PUT').length, 1)
  t.match(uploaded, { uploadedBytes: 4, totalBytes: 4 })
  t.equal(uploaded.entries.length, 2)
})

t.test('many files go in parallel without a warning', async t => {
  const server = await startFakeServer(t)
  const contents = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`f${index}`, String(index)]))
  const warnings: Error[] = []
  const listener = (warning: Error) => warnings.push(warning)
  process.on('warning', listener)
  t.teardown(() => process.off('warning', listener))

  await upload(server, await hashed(t, contents), { parallelCount: 16 })

  t.equal(server.blobs.size, 40)
  t.strictSame(warnings, [])
})

t.test('a cut connection is tried again from the start of the file, with the same key', async t => {
  const server = await startFakeServer(t, (request, _response, number) => {
    if (number > 1) return false
    request.socket.destroy()
    return true
  })
  const notes: string[] = []

  const uploaded = await upload(server, await hashed(t, { a: randomBytes(3 * MiB) }), {}, notes)

  t.equal(uploaded.shownBytes, 3 * MiB, 'progress went back for what had to be sent again')
  t.equal(notes.length, 4)
  t.match(notes[0], /^no answer from http:\/\/127\.0\.0\.1:\d+: .*; asking again in \d\.\d s$/)
  t.strictSame(
    server.seen('/bundles').map(({ headers }) => headers['idempotency-key']),
    ['key-1', 'key-1']
  )
})

t.test('503 and 409 with Retry-After are waited for', async t => {
  const server = await startFakeServer(t, (request, response, number) => {
    if (number > 1) return false
    if (request.method === 'PUT') answer(response, 503, {}, { 'retry-after': '1', connection: 'close' })
    else answerError(response, 409, 'STAGE_ERR_UPLOAD_RUNNING')
    return true
  })
  const startedAt = performance.now()

  const uploaded = await upload(server, await hashed(t, { a: 'a' }))

  t.equal(uploaded.uploadedBytes, 1)
  t.ok(performance.now() - startedAt >= 1000)
})

t.test('a server that never answers is given up', async t => {
  const server = await startFakeServer(t, request => request.method === 'PUT')

  await t.rejects(upload(server, await hashed(t, { a: 'a' }), { giveUpMs: 500 }), {
    exitCause: 'gaveUp',
    message: /^gave up after 0\.5 s without progress: no answer from .*Headers Timeout Error/
  })
})

t.test('a refused file ends the others', async t => {
  const server = await startFakeServer(t, (request, response) => {
    if (request.method !== 'PUT') return false
    if (request.url?.endsWith(refused))
      answerError(response, 413, 'STAGE_ERR_TOO_LARGE', { expected: '1 byte' })
    return true
  })
  const files = await hashed(t, { slow: 'never answered', refused: 'refused' })
  const refused = String(files[1]?.sha256)

  await t.rejects(upload(server, files), {
    exitCause: 'refused',
    message: /STAGE_ERR_TOO_LARGE.*\n {2}expected: 1 byte/
  })

  t.equal(server.seen('/commit').length, 0)
})

t.test('a file that changes while it is uploaded is named', async t => {
  const cases = {
    'other bytes of the same length': (path: string) => writeFile(path, 'other'),
    'a shorter file': (path: string) => truncate(path, 2)
  }
  for (const [title, change] of Object.entries(cases)) {
    t.test(title, async t => {
      const server = await startFakeServer(t)
      const files = await hashed(t, { a: 'bytes' })
      await change(String(files[0]?.filePath))

      await t.rejects(upload(server, files), {
        exitCause: 'damaged',
        message: /a" changed while it was uploaded\n {2}expected: 5 bytes/
      })

      t.equal(server.seen('/commit').length, 0)
      t.equal(server.blobs.size, 0)
    })
  }
})

t.test('a file that grew is uploaded as it was hashed', async t => {
  const server = await startFakeServer(t)
  const files = await hashed(t, { log: 'first line\n' })
  await appendFile(String(files[0]?.filePath), 'second line\n')

  await upload(server, files)

  t.strictSame([...server.blobs.values()].map(String), ['first line\n'])
})

t.test('bytes that went missing before the commit are sent again, but not for ever', async t => {
  const lost = await startFakeServer(t, (request, _response, number) => {
    if (request.url?.endsWith('/commit') && number === 1) lost.blobs.clear()
    return false
  })
  t.equal((await upload(lost, await hashed(t, { a: 'abc' }))).uploadedBytes, 3)

  const forgetful = await startFakeServer(t, request => {
    if (request.url?.endsWith('/commit')) forgetful.blobs.clear()
    return false
  })
  await t.rejects(upload(forgetful, await hashed(t, { a: 'abc' })), {
    exitCause: 'refused',
    message: /STAGE_ERR_INCOMPLETE/
  })
  t.equal(forgetful.seen('/commit').length, 3)
})

t.test('a digest that was never announced is not looked for', async t => {
  const server = await startFakeServer(t, (request, response) => {
    if (!request.url?.endsWith('/bundles')) return false
    answer(response, 201, { bundleId: fakeBundleId, missing: ['f'.repeat(64)] }, { connection: 'close' })
    return true
  })

  await upload(server, [])

  t.strictSame(
    server.requests.map(({ method }) => method),
    ['POST', 'POST', 'GET']
  )
})

t.test('an upload stops when it is asked to', async t => {
  const stop = new AbortController()
  const server = await startFakeServer(t, request => {
    if (request.method === 'PUT') stop.abort()
    return request.method === 'PUT'
  })

  await t.rejects(upload(server, await hashed(t, { a: 'a' }), { signal: stop.signal }), {
    name: 'AbortError'
  })
})

t.test('https to a server that speaks http is a wrong option, not a passing failure', async t => {
  const server = await startFakeServer(t)
  const files = await hashed(t, { a: 'a' })

  await t.rejects(upload({ ...server, url: server.url.replace('http:', 'https:') }, files), {
    exitCause: 'usage',
    message: /what to do: Name the authority/
  })
})

t.test('an answer without end is not gathered', async t => {
  const server = await startFakeServer(t, (_request, response) => {
    const more = () => response.write(Buffer.alloc(MiB), error => error ?? more())
    more()
    return true
  })

  await t.rejects(upload(server, await hashed(t, { a: 'a' })), {
    exitCause: 'internal',
    message: /more than 33554432 bytes/
  })
})

t.test('what arrives is what the file holds', async t => {
  const server = await startFakeServer(t)
  const bytes = randomBytes(5 * MiB + 123)

  await upload(server, await hashed(t, { big: bytes }))

  const digest = createHash('sha256').update(bytes).digest('hex')
  t.ok(server.blobs.get(digest)?.equals(bytes))
})
