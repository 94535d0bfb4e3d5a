import t, { type Test } from 'tap'
import { blobPath, bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { call, type Part, stage, upload } from '../../helpers/call.ts'
import { exchange, requestHead } from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing, type Refusal } from '../../helpers/refusals.ts'
import { credential, sha256, startServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'

const server = await startServer(t)
const digest = sha256('hello')

/** A draft of one file with these bytes. @returns its id */
async function declare(content = 'hello', namespace = 'team-a'): Promise<string> {
  const entries = [{ kind: 'files', name: 'a', sizeBytes: content.length, sha256: sha256(content) }]
  return (await upload(server, 'POST', bundlesPath(namespace), { entries })).json.bundleId
}

function put(bundleId: string, body: string, headers: Record<string, string> = {}, sha256OfBody = digest) {
  return call(server, 'PUT', blobPath('team-a', bundleId, sha256OfBody), {
    body,
    headers: { authorization: `Bearer ${credential}`, ...headers }
  })
}

async function misses(t: Test, bundleId: string): Promise<void> {
  const commit = await upload(server, 'POST', `${bundlePath('team-a', bundleId)}/commit`)
  isRefusal(t, commit, { status: 409, code: 'STAGE_ERR_INCOMPLETE' })
  t.strictSame(commit.error.missing, [digest])
}

const size = (found: string): Refusal => ({ status: 422, code: 'STAGE_ERR_SIZE', expected: '5 bytes', found })

const bodies: readonly (readonly [
  claim: string,
  lines: readonly string[],
  body: string,
  refusal: Refusal
])[] = [
  ['a body that is announced as too short', ['Content-Length: 4'], 'hell', size('4 bytes')],
  ['a body that is announced as too long', ['Content-Length: 6'], 'hello!', size('6 bytes')],
  [
    'a chunked body that is too short',
    ['Transfer-Encoding: chunked'],
    '4\r\nhell\r\n0\r\n\r\n',
    size('4 bytes')
  ],
  [
    'a chunked body that is too long',
    ['Transfer-Encoding: chunked'],
    '6\r\nhello!\r\n0\r\n\r\n',
    size('more bytes')
  ],
  ['no body', [], '', size('0 bytes')],
  [
    'a body with another digest',
    ['Content-Length: 5'],
    'hallo',
    { status: 422, code: 'STAGE_ERR_DIGEST', expected: digest, found: sha256('hallo') }
  ]
]

for (const [claim, lines, body, refusal] of bodies) {
  t.test(`${claim} is refused, and the blob is still missing`, async t => {
    const bundleId = await declare()

    await leavesNothing(t, server, async () => {
      const head = requestHead('PUT', blobPath('team-a', bundleId, digest), ['Connection: close', ...lines])
      const answer = await exchange(server, head + body)

      isRefusal(t, answer, refusal)
      await misses(t, bundleId)
    })
  })
}

t.test('a body that ends before its announced length is refused, and the blob is still missing', async t => {
  const bundleId = await declare()
  const before = await server.files()
  const head = requestHead('PUT', blobPath('team-a', bundleId, digest), ['Content-Length: 5'])

  const answer = await exchange(server, `${head}hel`, 'end')

  isRefusal(t, answer, {
    status: 400,
    code: 'STAGE_ERR_BAD_REQUEST',
    expected: 'a whole HTTP/1.1 request',
    found: 'HPE_INVALID_EOF_STATE'
  })
  await until(async () => (await server.files()).length === before.length)
  t.strictSame(await server.files(), before)
  await misses(t, bundleId)
})

t.test('whatever the Content-Type, a body is taken as bytes', async t => {
  for (const mediaType of ['application/json', 'multipart/form-data', 'text/plain', 'application/x-none']) {
    const bundleId = await declare(mediaType)

    const answer = await put(bundleId, mediaType, { 'content-type': mediaType }, sha256(mediaType))

    t.equal(answer.status, 201, mediaType)
    t.strictSame(answer.json, { sha256: sha256(mediaType), sizeBytes: mediaType.length })
  }
})

t.test('a digest that the draft does not name is refused', async t => {
  const bundleId = await declare()

  await leavesNothing(t, server, async () => {
    const answer = await put(bundleId, 'other', {}, sha256('other'))

    isRefusal(t, answer, { status: 404, code: 'STAGE_ERR_UNKNOWN_BLOB' })
    t.match(answer.error.message, sha256('other'))
  })
})

t.test('what is no digest is refused', async t => {
  const bundleId = await declare()

  await leavesNothing(t, server, async () => {
    const answer = await put(bundleId, 'hello', {}, digest.toUpperCase())

    isRefusal(t, answer, {
      status: 400,
      code: 'STAGE_ERR_BAD_REQUEST',
      expected: 'params/sha256 must match pattern "^[0-9a-f]{64}$"',
      found: JSON.stringify(digest.toUpperCase())
    })
  })
})

t.test('a bundle that does not exist, or is no bundle id, takes no bytes', async t => {
  await leavesNothing(t, server, async () => {
    isRefusal(t, await put('0'.repeat(32), 'hello'), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
    isRefusal(t, await put('..', 'hello'), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
    isRefusal(t, await put('../../etc', 'hello'), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
  })
})

t.test('a draft of another namespace takes no bytes', async t => {
  const bundleId = await declare('hello', 'team-b')

  await leavesNothing(t, server, async () => {
    isRefusal(t, await put(bundleId, 'hello'), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
  })
})

t.test('a committed bundle takes no bytes', async t => {
  const parts: readonly Part[] = [['files', 'a', 'hello']]
  const { json } = await stage(server, parts)

  await leavesNothing(t, server, async () => {
    isRefusal(t, await put(json.bundleId, 'hello'), { status: 409, code: 'STAGE_ERR_COMMITTED' })
  })
})

t.test('a client that vanishes in the middle of a blob leaves nothing', async t => {
  const bundleId = await declare('x'.repeat(1_000_000))
  const before = await server.files()
  const gone = new AbortController()
  const sending = fetch(server.url + blobPath('team-a', bundleId, sha256('x'.repeat(1_000_000))), {
    method: 'PUT',
    signal: gone.signal,
    headers: { authorization: `Bearer ${credential}` },
    duplex: 'half',
    body: new ReadableStream({ start: body => body.enqueue(Buffer.alloc(1000)) })
  })
  await until(async () => (await server.files()).some(path => path.startsWith('tmp/')))

  gone.abort()

  await t.rejects(sending, { name: 'AbortError' })
  await until(() => server.logLines.some(line => line.includes('STAGE_ERR_CLIENT_GONE')))
  t.strictSame(await server.files(), before)
  t.match(server.logLines.join(''), /"msg":"request cut off"/)
})

t.test('the bytes of a file may be sent again', async t => {
  const bundleId = await declare('again')

  const answers = [
    await put(bundleId, 'again', {}, sha256('again')),
    await put(bundleId, 'again', {}, sha256('again'))
  ]

  t.strictSame(
    answers.map(({ status }) => status),
    [201, 201]
  )
})
