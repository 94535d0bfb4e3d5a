import t from 'tap'
import { bundlesPath } from '../../../shared/paths.ts'
import { upload } from '../../helpers/call.ts'
import { exchange, requestHead } from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing, type Refusal } from '../../helpers/refusals.ts'
import { sha256, startServer } from '../../helpers/start-server.ts'

const entry = { kind: 'files', name: 'a.txt', sizeBytes: 5, sha256: sha256('hello') }
const server = await startServer(t)

const badRequest = (expected: string, found: string): Refusal => ({
  status: 400,
  code: 'STAGE_ERR_BAD_REQUEST',
  expected,
  found
})

const badEntries: readonly (readonly [claim: string, entries: readonly object[], refusal: Refusal])[] = [
  [
    'no entry',
    [],
    { status: 400, code: 'STAGE_ERR_NO_PARTS', expected: 'at least 1 file', found: '0 files' }
  ],
  [
    'an unknown kind',
    [{ ...entry, kind: 'jar' }],
    { status: 400, code: 'STAGE_ERR_BAD_KIND', expected: /^one of app, jars/, found: '"jar"' }
  ],
  [
    'an empty name',
    [{ ...entry, name: '' }],
    { status: 400, code: 'STAGE_ERR_BAD_NAME', expected: /^1 to 255/, found: 'an empty name' }
  ],
  [
    'a name with a path',
    [entry, { ...entry, name: '../a' }],
    { status: 400, code: 'STAGE_ERR_BAD_NAME', expected: /^1 to 255/, found: 'a path separator' }
  ],
  [
    'half a surrogate pair',
    [{ ...entry, name: '\ud800' }],
    { status: 400, code: 'STAGE_ERR_BAD_NAME', expected: /^1 to 255/, found: 'text that is not valid UTF-8' }
  ],
  [
    'an alias with a path',
    [{ ...entry, alias: '/etc' }],
    { status: 400, code: 'STAGE_ERR_BAD_ALIAS', expected: /^1 to 255/, found: 'a path separator' }
  ],
  [
    'an empty alias',
    [{ ...entry, alias: '' }],
    { status: 400, code: 'STAGE_ERR_BAD_ALIAS', expected: /^1 to 255/, found: 'an empty name' }
  ],
  [
    'a digest that is none',
    [{ ...entry, sha256: 'ABC' }],
    badRequest('body/entries/0/sha256 must match pattern "^[0-9a-f]{64}$"', '"ABC"')
  ],
  [
    'a negative size',
    [{ ...entry, sizeBytes: -1 }],
    badRequest('body/entries/0/sizeBytes must be >= 0', '-1')
  ],
  [
    'half a byte',
    [{ ...entry, sizeBytes: 1.5 }],
    badRequest('body/entries/0/sizeBytes must be integer', '1.5')
  ],
  [
    'a size as text',
    [{ ...entry, sizeBytes: '5' }],
    badRequest('body/entries/0/sizeBytes must be integer', '"5"')
  ],
  [
    'a size no number can hold',
    [{ ...entry, sizeBytes: 2 ** 60 }],
    badRequest('body/entries/0/sizeBytes must be <= 9007199254740991', '1152921504606847000')
  ],
  [
    'an entry without a name',
    [{ ...entry, name: undefined }],
    badRequest(
      "body/entries/0 must have required property 'name'",
      JSON.stringify({ ...entry, name: undefined })
    )
  ],
  [
    'an extra field of an entry',
    [{ ...entry, path: '../../x' }],
    badRequest('body/entries/0 must NOT have additional properties', '"path"')
  ],
  [
    'one digest with two sizes',
    [entry, { ...entry, name: 'b.txt', sizeBytes: 6 }],
    { status: 422, code: 'STAGE_ERR_SIZE', expected: '5 bytes, as announced before', found: '6 bytes' }
  ],
  [
    'one entry announced with two sizes',
    [entry, { ...entry, sizeBytes: 6 }],
    { status: 422, code: 'STAGE_ERR_SIZE', expected: '5 bytes, as announced before', found: '6 bytes' }
  ],
  [
    '10,001 entries',
    Array.from({ length: 10_001 }, (_, number) => ({ ...entry, name: String(number) })),
    {
      status: 413,
      code: 'STAGE_ERR_TOO_MANY_ENTRIES',
      expected: 'at most 10000 entries',
      found: '10001 entries'
    }
  ]
]

for (const [claim, entries, refusal] of badEntries) {
  t.test(`a draft with ${claim} is refused, and nothing is stored`, async t => {
    await leavesNothing(t, server, async () => {
      const answer = await upload(server, 'POST', bundlesPath('team-a'), { entries })

      isRefusal(t, answer, refusal)
    })
  })
}

const notJson = "Body is not valid JSON but content-type is set to 'application/json'"
const badBodies: readonly (readonly [claim: string, body: string, refusal: Refusal])[] = [
  ['malformed JSON', '{"entries": [', badRequest('a request as documented', notJson)],
  [
    'no JSON',
    '',
    badRequest(
      'a request as documented',
      "Body cannot be empty when content-type is set to 'application/json'"
    )
  ],
  [
    'JSON that would change every object',
    '{"__proto__": {"isAdmin": true}, "entries": []}',
    badRequest('a request as documented', notJson)
  ],
  ['null', 'null', badRequest('body must be object', 'null')],
  ['a list', '[]', badRequest('body must be object', '[]')],
  [
    'an extra field',
    '{"entries": [], "ower": {}}',
    badRequest('body must NOT have additional properties', '"ower"')
  ],
  ['very long nonsense', `"${'x'.repeat(1000)}"`, badRequest('body must be object', `"${'x'.repeat(199)}…`)]
]

for (const [claim, body, refusal] of badBodies) {
  for (const mediaType of ['application/json', 'Application/JSON; charset=utf-8']) {
    t.test(`${claim} as ${mediaType} is refused, and nothing is stored`, async t => {
      await leavesNothing(t, server, async () => {
        const lines = [
          'Connection: close',
          `Content-Type: ${mediaType}`,
          `Content-Length: ${Buffer.byteLength(body)}`
        ]

        const answer = await exchange(server, requestHead('POST', bundlesPath('team-a'), lines) + body)

        isRefusal(t, answer, refusal)
      })
    })
  }
}

t.test('a request without body and Content-Type is refused', async t => {
  await leavesNothing(t, server, async () => {
    const answer = await upload(server, 'POST', bundlesPath('team-a'))

    isRefusal(t, answer, {
      status: 415,
      code: 'STAGE_ERR_MEDIA_TYPE',
      expected: /^multipart/,
      found: 'no Content-Type'
    })
  })
})

t.test('10 MB of JSON are refused before they have come, and the server goes on', async t => {
  await leavesNothing(t, server, async () => {
    const lines = ['Content-Type: application/json', 'Content-Length: 10000000']

    const answer = await exchange(server, requestHead('POST', bundlesPath('team-a'), lines))

    isRefusal(t, answer, {
      status: 413,
      code: 'STAGE_ERR_TOO_LARGE',
      expected: 'at most 8388608 bytes of JSON',
      found: 'Request body is too large'
    })
    t.match(answer.head, /\r\nconnection: close/)
    t.equal((await upload(server, 'GET', bundlesPath('team-a'))).status, 200)
  })
})

t.test('10 MB of JSON whose size nobody announced are refused on the way', async t => {
  await leavesNothing(t, server, async () => {
    const head = requestHead('POST', bundlesPath('team-a'), [
      'Content-Type: application/json',
      'Transfer-Encoding: chunked'
    ])
    const chunk = `100000\r\n${' '.repeat(0x100000)}\r\n`

    const answer = await exchange(server, head + chunk.repeat(10))

    isRefusal(t, answer, {
      status: 413,
      code: 'STAGE_ERR_TOO_LARGE',
      expected: 'at most 8388608 bytes of JSON'
    })
  })
})

t.test('10,000 entries with the longest names can be declared', async t => {
  const entries = Array.from({ length: 10_000 }, (_, number) => ({
    ...entry,
    name: String(number).padStart(255, 'x'),
    alias: String(number).padStart(255, 'y')
  }))

  const answer = await upload(server, 'POST', bundlesPath('team-a'), { entries })

  t.equal(answer.status, 201)
  t.strictSame(answer.json.missing, [entry.sha256])
})
