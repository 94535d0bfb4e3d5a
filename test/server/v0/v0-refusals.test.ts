import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { bundlePath } from '../../../shared/paths.ts'
import { call, upload } from '../../helpers/call.ts'
import { isRefusal, leavesNothing, type Refusal } from '../../helpers/refusals.ts'
import { startServer, type TestServer } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'
import {
  downloadRequest,
  emptyArchive,
  type ForkAnswer,
  openConnection,
  ownerPart,
  readForkAnswer,
  resourcesPart,
  send,
  uploadRequest
} from './fork-client.ts'

const server = await startServer(t, {
  env: { SPARK_STAGE_V0: 'true', SPARK_STAGE_V0_NAMESPACES: 'default, team-a' }
})
const archive = resourcesPart(emptyArchive)

/** Asserts that an answer of the fork's door is this refusal. */
function refuses(t: Test, { status, body }: ForkAnswer, refusal: Refusal): void {
  isRefusal(t, { status, error: JSON.parse(body.toString()) }, refusal)
}

const bad = (expected: string | RegExp, found: string): Refusal => ({
  status: 400,
  code: 'STAGE_ERR_BAD_REQUEST',
  expected,
  found
})

const badNamespace: Refusal = { status: 400, code: 'STAGE_ERR_BAD_NAMESPACE' }

const owners: readonly (readonly [owner: string, refusal: Refusal])[] = [
  ['{"ownerNamespace":"../../x"}', { ...badNamespace, found: '"../../x"' }],
  ['{"ownerNamespace":""}', { ...badNamespace, found: '""' }],
  ['{"ownerNamespace":"Default"}', badNamespace],
  ['{"ownerNamespace":"team-b"}', bad('a namespace of SPARK_STAGE_V0_NAMESPACES', '"\\"team-b\\""')],
  ['{"ownerNamespace":7}', bad('a namespace', '"7"')],
  ['{}', bad('a namespace', 'nothing')],
  ['{"ownerNamespace":"default","ownerType":"Job"}', bad('"Pod"', '"\\"Job\\""')],
  ['{"ownerNamespace":"default","ownerType":null}', bad('"Pod"', '"null"')],
  ['{"ownerNamespace":"default","ownerLabels":["a"]}', bad('an object of texts', '"[\\"a\\"]"')],
  ['{"ownerNamespace":"default","ownerLabels":"a"}', bad('an object of texts', '"\\"a\\""')],
  ['{"ownerNamespace":"default","ownerLabels":null}', bad('an object of texts', '"null"')],
  ['{"ownerNamespace":"default","ownerLabels":{"a":1}}', bad('an object of texts', '"{\\"a\\":1}"')],
  ['{"ownerNamespace":"default","more":1}', bad(/^only ownerNamespace, /, 'an unknown field')],
  ['["default"]', bad('a JSON object', '"[\\"default\\"]"')],
  ['null', bad('a JSON object', '"null"')],
  ['{', bad('a JSON object', '"{"')],
  ['', bad('a JSON object', '""')]
]

for (const [owner, refusal] of owners) {
  t.test(`the owner ${owner} is refused, before and after the bytes, and nothing is kept`, async t => {
    for (const parts of [
      [ownerPart(owner), archive],
      [archive, ownerPart(owner)]
    ]) {
      await leavesNothing(t, server, async () => {
        refuses(t, await send(server.url, uploadRequest(parts)), refusal)
      })
    }
  })
}

t.test('an owner without labels is an owner', async t => {
  for (const labels of ['', ',"ownerLabels":{}']) {
    const owner = ownerPart(`{"ownerNamespace":"team-a"${labels}}`)

    const { status, body } = await send(server.url, uploadRequest([archive, owner]))

    t.equal(status, 200)
    server.keepSecret(JSON.parse(body.toString()).resourceSecret)
  }
})

const other = (sizeBytes: number) => ({ name: 'x', type: 'text/plain', content: Buffer.alloc(sizeBytes) })
const forms: readonly (readonly [claim: string, parts: Parameters<typeof uploadRequest>[0], Refusal])[] = [
  ['without resources', [ownerPart()], bad('one part named resources', 'none')],
  ['without an owner', [archive], bad('one part named resourcesOwner', 'none')],
  ['without any part', [], { status: 400, code: 'STAGE_ERR_BAD_REQUEST' }],
  ['with resources twice', [archive, archive], bad('one part named resources', 'a second one')],
  [
    'with two owners',
    [ownerPart(), ownerPart(), archive],
    bad('one part named resourcesOwner', 'a second one')
  ],
  [
    'with an owner beyond the limit',
    [archive, ownerPart(' '.repeat(65_537))],
    { status: 413, code: 'STAGE_ERR_TOO_LARGE', expected: 'at most 65536 bytes' }
  ],
  [
    'with too much beside it',
    [archive, other(1_000_000), other(100_000), ownerPart()],
    { status: 413, code: 'STAGE_ERR_TOO_LARGE', expected: 'at most 1048576 bytes' }
  ],
  ['with too many parts', Array(20).fill(other(1)), { status: 413, code: 'STAGE_ERR_TOO_MANY_ENTRIES' }],
  [
    'with a part named __proto__',
    [archive, { ...other(1), name: '__proto__' }],
    { status: 400, code: 'STAGE_ERR_BAD_KIND' }
  ]
]

for (const [claim, parts, refusal] of forms) {
  t.test(`a form ${claim} is refused, and nothing is kept`, async t => {
    await leavesNothing(t, server, async () => {
      refuses(t, await send(server.url, uploadRequest(parts)), refusal)
    })
  })
}

t.test('an upload beyond the limit is refused, and nothing is kept', async t => {
  const small = await startServer(t, {
    env: { SPARK_STAGE_V0: 'true', SPARK_STAGE_MAX_UPLOAD_BYTES: '44' }
  })

  await leavesNothing(t, small, async () => {
    const answer = await send(small.url, uploadRequest([archive, ownerPart()]))

    refuses(t, answer, { status: 413, code: 'STAGE_ERR_TOO_LARGE', expected: 'at most 44 bytes in all' })
  })
})

t.test('a body that is no form is refused', async t => {
  for (const [type, found] of [
    ['application/json', '"application/json"'],
    ['multipart/form-data', '"multipart/form-data"'],
    ['', 'no Content-Type']
  ] as const) {
    await leavesNothing(t, server, async () => {
      const headers = type === '' ? {} : { 'content-type': type }
      const body = Buffer.from('{}')

      const answer = await call(server, 'POST', '/api/v0/resources/', { headers, body })

      isRefusal(t, answer, { status: 415, code: 'STAGE_ERR_MEDIA_TYPE', expected: /^multipart/, found })
    })
  }
})

t.test('a form that breaks off is refused, and nothing is kept', async t => {
  const whole = uploadRequest([archive, ownerPart()]).toString('latin1').slice(0, -30)
  const bodyBytes = whole.length - whole.indexOf('\r\n\r\n') - 4
  const broken = whole.replace(/Content-Length: \d+/, `Content-Length: ${bodyBytes}`)

  await leavesNothing(t, server, async () => {
    const answer = await send(server.url, Buffer.from(broken, 'latin1'))

    refuses(t, answer, { status: 400, code: 'STAGE_ERR_BAD_REQUEST' })
  })
})

t.test('a client that vanishes in the middle leaves nothing behind', async t => {
  const request = uploadRequest([resourcesPart(Buffer.alloc(200_000)), ownerPart()])
  for (const cutAt of [100_000, request.length - 20]) {
    await leavesNothing(t, server, async () => {
      const goneCount = () => server.logLines.filter(line => line.includes('nothing kept of a cut')).length
      const before = goneCount()
      const socket = openConnection(server.url)
      socket.write(request.subarray(0, cutAt))
      await until(async () => (await server.files()).some(path => path.startsWith('tmp/')))

      socket.destroy()

      await until(() => goneCount() > before)
    })
  }
})

t.test('an upload whose draft has ended meanwhile is told so, and leaves nothing to read', async t => {
  const request = uploadRequest([resourcesPart(Buffer.alloc(200_000)), ownerPart()])
  const socket = openConnection(server.url)
  t.teardown(() => socket.destroy())
  const before = await server.files()
  socket.write(request.subarray(0, 100_000))
  const isNew = (path: string) => path.endsWith('/lease.json') && !before.includes(path)
  await until(async () => (await server.files()).some(isNew))
  const lease = join(server.folder, (await server.files()).find(isNew) ?? '')
  const ended = { state: 'ended', reason: 'expired', endedAtMs: Date.now() }
  await writeFile(lease, JSON.stringify({ ...JSON.parse(await readFile(lease, 'utf8')), ...ended }))

  socket.write(request.subarray(100_000))

  refuses(t, await readForkAnswer(socket), { status: 410, code: 'STAGE_ERR_GONE' })
  t.same(
    (await server.files()).filter(path => path.startsWith('index/') && !before.includes(path)),
    []
  )
})

/** Stages something. @returns its id and secret */
async function stageOne(on: TestServer) {
  const owner = ownerPart('{"ownerNamespace":"team-a"}')
  const { body } = await send(on.url, uploadRequest([archive, owner]))
  const staged = JSON.parse(body.toString())
  on.keepSecret(staged.resourceSecret)
  return staged
}

t.test('a wrong secret and an unknown id are one and the same 401', async t => {
  const { resourceId, resourceSecret } = await stageOne(server)
  const other = await stageOne(server)
  const [header = '', claims = '', signature = ''] = resourceSecret.split('.')
  const unknownKey = Buffer.from('{"alg":"HS256","typ":"JWT","kid":"nobody"}').toString('base64url')
  const wrong = [
    [resourceId, other.resourceSecret],
    [resourceId, 'c909a666-9273-4171-a2c7-a02fc0cdd196-V5yLBMquapP/saR7OROUQL+l0mWDzI8iwtg=='],
    [resourceId, `${header}.${claims}.${signature.slice(2)}`],
    [resourceId, `${unknownKey}.${claims}.${signature}`],
    [resourceId, `${header}.${Buffer.from('no JSON').toString('base64url')}.${signature}`],
    [resourceId, ''],
    [resourceId, 'two words'],
    [randomUUID(), resourceSecret],
    [resourceId.replaceAll('-', ''), resourceSecret],
    ['nothing', resourceSecret],
    ['..%2f..%2fx', resourceSecret]
  ]

  const requests = wrong.map(([id, secret]) => downloadRequest(id, secret))
  const unsigned = downloadRequest(resourceId, '').toString('latin1').replace('Authorization: \r\n', '')
  const answers = await Promise.all(
    [...requests, Buffer.from(unsigned)].map(request => send(server.url, request))
  )

  for (const answer of answers) {
    refuses(t, answer, { status: 401, code: 'STAGE_ERR_TOKEN' })
    const { requestId: _requestId, ...rest } = JSON.parse(answer.body.toString())
    const { requestId: _firstId, ...first } = JSON.parse(String(answers[0]?.body))
    t.strictSame(rest, first)
  }
})

t.test('what was revoked is gone, and says so', async t => {
  const { resourceId, resourceSecret } = await stageOne(server)
  await upload(server, 'DELETE', bundlePath('team-a', resourceId.replaceAll('-', '')))

  const answer = await send(server.url, downloadRequest(resourceId, resourceSecret))

  refuses(t, answer, { status: 410, code: 'STAGE_ERR_GONE' })
  t.match(JSON.parse(answer.body.toString()), { reason: 'revoked' })
})

t.test('a web page, or a foreign host name, gets nowhere', async t => {
  await leavesNothing(t, server, async () => {
    const request = uploadRequest([archive, ownerPart()]).toString('latin1')
    for (const [header, found] of [
      ['Host: 127.0.0.1:18101\r\nOrigin: https://evil.example', 'Origin "https://evil.example"'],
      ['Host: evil.example:10000', 'Host "evil.example"']
    ] as const) {
      const foreign = request.replace('Host: 127.0.0.1:18101', header)

      const answer = await send(server.url, Buffer.from(foreign, 'latin1'))

      refuses(t, answer, { status: 403, code: 'STAGE_ERR_FOREIGN_SITE', found })
    }
  })
})
