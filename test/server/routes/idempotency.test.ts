import t from 'tap'
import { bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { type Answer, call, download, type Part, stage, upload } from '../../helpers/call.ts'
import { filePart, openSocket, postMultipart, requestHead } from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing, type Refusal } from '../../helpers/refusals.ts'
import { credential, sha256, startServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'

const server = await startServer(t)
const files: readonly Part[] = [
  ['files', 'a', '1'],
  ['archives', 'b.tgz#b', '2']
]
const keyReused: Refusal = { status: 422, code: 'STAGE_ERR_KEY_REUSED' }

function declare(key: string, contents: readonly string[], namespace = 'team-a'): Promise<Answer> {
  const entries = contents.map(content => ({
    kind: 'files',
    name: content,
    sizeBytes: content.length,
    sha256: sha256(content)
  }))
  return call(server, 'POST', bundlesPath(namespace), {
    headers: {
      authorization: `Bearer ${credential}`,
      'content-type': 'application/json',
      'idempotency-key': key
    },
    body: JSON.stringify({ entries })
  })
}

t.test('the same files with the same key are the same bundle', async t => {
  const first = await stage(server, files, { key: 'same files' })

  await leavesNothing(t, server, async () => {
    const second = await stage(server, files, { key: 'same files' })

    t.equal(second.status, 201)
    t.match(second.json, { bundleId: first.json.bundleId, entries: first.json.entries })
    t.equal((await download(server, first.json.bundleId, second.json.token)).status, 200)
  })
})

t.test('other files with the same key are refused, and the bundle stays', async t => {
  const first = await stage(server, files, { key: 'other files' })
  const others: readonly (readonly Part[])[] = [
    [['files', 'a', 'other bytes'], files[1] as Part],
    [['files', 'other name', '1'], files[1] as Part],
    [['app', 'a', '1'], files[1] as Part],
    files.slice(0, 1),
    [...files, ['files', 'c', '3']],
    files.toReversed()
  ]

  for (const other of others) {
    await leavesNothing(t, server, async () => {
      isRefusal(t, await stage(server, other, { key: 'other files' }), keyReused)
    })
  }

  t.equal(
    (await download(server, first.json.bundleId, first.json.token, '/entries/files/a')).bytes.toString(),
    '1'
  )
})

t.test('the same key is another bundle in another namespace', async t => {
  const first = await stage(server, files, { key: 'elsewhere' })
  const second = await stage(server, files, { key: 'elsewhere', namespace: 'team-b' })

  t.equal(second.status, 201)
  t.not(second.json.bundleId, first.json.bundleId)
})

t.test('a draft declared twice is one draft, before and after its commit', async t => {
  const first = await declare('draft', ['x'])
  const second = await declare('draft', ['x'])
  await call(server, 'PUT', `${bundlePath('team-a', first.json.bundleId)}/blobs/${sha256('x')}`, {
    headers: { authorization: `Bearer ${credential}` },
    body: 'x'
  })
  await upload(server, 'POST', `${bundlePath('team-a', first.json.bundleId)}/commit`)
  const third = await declare('draft', ['x'])

  t.strictSame(second.json, first.json)
  t.strictSame(third.json, { bundleId: first.json.bundleId, missing: [] })
})

t.test('a draft of other files with the same key is refused, and nothing is stored', async t => {
  await declare('other draft', ['x'])

  await leavesNothing(t, server, async () => {
    isRefusal(t, await declare('other draft', ['y']), keyReused)
    isRefusal(t, await declare('other draft', ['x', 'y']), keyReused)
  })
})

t.test('the key of a draft does for no one-shot upload, nor the other way round', async t => {
  const draft = await declare('form', ['x'])
  await stage(server, files, { key: 'one-shot form' })

  await leavesNothing(t, server, async () => {
    isRefusal(t, await stage(server, [['files', 'x', 'x']], { key: 'form' }), keyReused)
    isRefusal(t, await declare('one-shot form', ['1', '2']), keyReused)
  })

  t.strictSame((await declare('form', ['x'])).json, draft.json)
})

t.test('a key whose upload still runs is refused with a time to ask again, in both forms', async t => {
  const seen = new Set(await server.files())
  const socket = openSocket(server)
  const lines = [
    'Content-Type: multipart/form-data; boundary=B',
    'Content-Length: 1000',
    'Idempotency-Key: busy'
  ]
  socket.write(requestHead('POST', bundlesPath('team-a'), lines) + filePart('files', 'a'))
  await until(async () =>
    (await server.files()).some(path => path.endsWith('/lease.json') && !seen.has(path))
  )

  const oneShot = await stage(server, files, { key: 'busy' })
  const draft = await declare('busy', ['x'])
  const others = await stage(server, files, { key: 'not busy' })

  isRefusal(t, oneShot, { status: 409, code: 'STAGE_ERR_UPLOAD_RUNNING' })
  t.equal(oneShot.headers.get('retry-after'), '1')
  isRefusal(t, draft, keyReused)
  t.equal(others.status, 201)
  socket.destroy()
  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  t.equal((await stage(server, files, { key: 'busy' })).status, 201)
})

t.test(
  'of many uploads with one key at once, one stages and the others are told to wait or get the same',
  async t => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => stage(server, files, { key: 'many' })))

    const staged = answers.filter(({ status }) => status === 201)
    const waiting = answers.filter(({ status }) => status === 409)
    t.equal(staged.length + waiting.length, 10)
    t.ok(staged.length >= 1)
    t.equal(new Set(staged.map(({ json }) => json.bundleId)).size, 1)
    for (const answer of waiting) isRefusal(t, answer, { status: 409, code: 'STAGE_ERR_UPLOAD_RUNNING' })
  }
)

t.test('of many drafts with one key at once, all are the same draft', async t => {
  const answers = await Promise.all(Array.from({ length: 10 }, () => declare('many drafts', ['new bytes'])))

  t.equal(new Set(answers.map(({ bytes }) => bytes.toString())).size, 1)
  t.strictSame(answers[0]?.json.missing, [sha256('new bytes')])
})

const badKeys: readonly (readonly [claim: string, key: string, found: string])[] = [
  ['an empty key', '', '""'],
  ['a key that is not ASCII', 'caf\xe9', '"café"'],
  ['a key of 256 characters', 'k'.repeat(256), `"${'k'.repeat(100)}…"`],
  ['a key with a tab', 'a\tb', '"a\\tb"']
]

for (const [claim, key, found] of badKeys) {
  t.test(`${claim} is refused, and nothing is stored`, async t => {
    await leavesNothing(t, server, async () => {
      const answer = await postMultipart(server, `${filePart('files', 'a')}--B--\r\n`, [
        `Idempotency-Key: ${key}`
      ])

      isRefusal(t, answer, {
        status: 400,
        code: 'STAGE_ERR_BAD_IDEMPOTENCY_KEY',
        expected: '1 to 255 printable ASCII characters',
        found
      })
    })
  })
}

t.test('a key of 255 characters, and one that comes in two headers, can be used', async t => {
  const body = `${filePart('files', 'a')}--B--\r\n`

  const long = await postMultipart(server, body, [`Idempotency-Key: ${'k'.repeat(255)}`])
  const twice = await postMultipart(server, body, ['Idempotency-Key: a', 'Idempotency-Key: b'])
  const joined = await postMultipart(server, body, ['Idempotency-Key: a, b'])

  t.equal(long.status, 201)
  t.match(twice.error, { bundleId: /./ })
  t.match(joined.error, { bundleId: Reflect.get(twice.error, 'bundleId') })
})
