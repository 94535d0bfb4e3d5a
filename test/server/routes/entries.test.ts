import t, { type Test } from 'tap'
import { type Answer, download, stage } from '../../helpers/call.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { sha256, startServer } from '../../helpers/start-server.ts'

const text = '0123456789'
const etag = `"${sha256(text)}"`
const server = await startServer(t)
const { bundleId, token } = (
  await stage(server, [
    ['files', 'digits', text],
    ['files', 'empty', '']
  ])
).json

function get(
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
  name = 'digits'
): Promise<Answer> {
  return download(server, bundleId, token, `/entries/files/${name}`, headers, method)
}

function isWhole(t: Test, answer: Answer): void {
  t.equal(answer.status, 200)
  t.equal(answer.bytes.toString(), text)
  t.equal(answer.headers.get('content-length'), '10')
  t.equal(answer.headers.get('content-range'), null)
}

t.test('a whole entry comes with all that a client needs to resume', async t => {
  const answer = await get()

  isWhole(t, answer)
  t.equal(answer.headers.get('etag'), etag)
  t.equal(answer.headers.get('accept-ranges'), 'bytes')
  t.equal(answer.headers.get('content-type'), 'application/octet-stream')
  t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
  t.equal(answer.headers.get('cache-control'), 'private, no-transform')
  t.equal(answer.headers.get('content-encoding'), null)
})

t.test('HEAD tells what GET would, without the bytes', async t => {
  const answer = await get({}, 'HEAD')

  t.equal(answer.status, 200)
  t.equal(answer.bytes.length, 0)
  const ofConnection = ['date', 'connection', 'keep-alive']
  const named = (headers: Headers) => [...headers].filter(([name]) => !ofConnection.includes(name))
  t.strictSame(named(answer.headers), named((await get()).headers))
})

const partial: readonly (readonly [range: string, bytes: string, contentRange: string])[] = [
  ['bytes=0-0', '0', 'bytes 0-0/10'],
  ['bytes=0-9', text, 'bytes 0-9/10'],
  ['bytes=0-', text, 'bytes 0-9/10'],
  ['bytes=3-5', '345', 'bytes 3-5/10'],
  ['bytes=7-', '789', 'bytes 7-9/10'],
  ['bytes=7-100', '789', 'bytes 7-9/10'],
  ['bytes=-1', '9', 'bytes 9-9/10'],
  ['bytes=-10', text, 'bytes 0-9/10'],
  ['bytes=-11', text, 'bytes 0-9/10'],
  ['bytes=-99999999999999999999', text, 'bytes 0-9/10'],
  ['bytes=2-4,100-', '234', 'bytes 2-4/10']
]

for (const [range, bytes, contentRange] of partial) {
  t.test(`${range} of ten bytes is ${bytes}`, async t => {
    const answer = await get({ range })

    t.equal(answer.status, 206)
    t.equal(answer.bytes.toString(), bytes)
    t.equal(answer.headers.get('content-range'), contentRange)
    t.equal(answer.headers.get('content-length'), String(bytes.length))
    t.equal(answer.headers.get('etag'), etag)
  })
}

const ignored = [
  'bytes',
  'bytes=',
  'bytes=-',
  'bytes=a-b',
  'bytes=1',
  'bytes=1.5-2',
  'bytes=0x1-2',
  'items=0-1',
  '0-1',
  'bytes=0-1,4-5',
  'bytes=0-1,x',
  'bytes=--1'
]

for (const range of ignored) {
  t.test(`"${range}" is not a single range, and the whole entry is the answer`, async t => {
    isWhole(t, await get({ range }))
  })
}

for (const range of ['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-', 'bytes=5-4']) {
  t.test(`${range} lies outside ten bytes`, async t => {
    const answer = await get({ range })

    isRefusal(t, answer, {
      status: 416,
      code: 'STAGE_ERR_RANGE',
      expected: 'a range within 10 bytes',
      found: range
    })
    t.equal(answer.headers.get('content-range'), 'bytes */10')
  })
}

t.test('Range means nothing to HEAD', async t => {
  const answer = await get({ range: 'bytes=10-' }, 'HEAD')

  t.equal(answer.status, 200)
  t.equal(answer.headers.get('content-length'), '10')
})

const ifRanges: readonly (readonly [ifRange: string, status: number])[] = [
  [etag, 206],
  [`W/${etag}`, 200],
  ['"other"', 200],
  [etag.slice(1, -1), 200],
  ['*', 200],
  [new Date().toUTCString(), 200]
]

for (const [ifRange, status] of ifRanges) {
  t.test(`If-Range: ${ifRange.slice(0, 20)} with a range is answered ${status}`, async t => {
    const answer = await get({ range: 'bytes=0-1', 'if-range': ifRange })

    t.equal(answer.status, status)
    t.equal(answer.bytes.toString(), status === 206 ? '01' : text)
  })
}

t.test('If-Range of another version makes a bad range harmless', async t => {
  isWhole(t, await get({ range: 'bytes=100-', 'if-range': '"other"' }))
})

for (const ifMatch of [etag, '*', `"other", ${etag}`, `"a,b" ,${etag}`]) {
  t.test(`If-Match: ${ifMatch.slice(0, 20)} lets the entry through`, async t => {
    isWhole(t, await get({ 'if-match': ifMatch }))
  })
}

for (const ifMatch of ['"other"', `W/${etag}`, etag.slice(1, -1), 'nonsense', '"*"']) {
  t.test(`If-Match: ${ifMatch.slice(0, 20)} does not hold`, async t => {
    for (const headers of [
      { 'if-match': ifMatch },
      { 'if-match': ifMatch, 'if-none-match': etag, range: 'bytes=100-' }
    ]) {
      const answer = await get(headers)

      isRefusal(t, answer, { status: 412, code: 'STAGE_ERR_PRECONDITION', expected: ifMatch, found: etag })
    }
  })
}

for (const ifNoneMatch of [etag, `W/${etag}`, '*', `"other", W/${etag}`]) {
  t.test(`If-None-Match: ${ifNoneMatch.slice(0, 20)} saves the bytes`, async t => {
    for (const method of ['GET', 'HEAD']) {
      const answer = await get({ 'if-none-match': ifNoneMatch, range: 'bytes=0-1' }, method)

      t.equal(answer.status, 304)
      t.equal(answer.bytes.length, 0)
      t.equal(answer.headers.get('etag'), etag)
      t.equal(answer.headers.get('content-type'), null)
      t.equal(answer.headers.get('content-range'), null)
    }
  })
}

for (const ifNoneMatch of ['"other"', 'nonsense', `W/"${etag.slice(2)}`.replace('"', '"x')]) {
  t.test(`If-None-Match: ${ifNoneMatch.slice(0, 20)} lets the entry through`, async t => {
    isWhole(t, await get({ 'if-none-match': ifNoneMatch }))
  })
}

t.test('an empty entry has no ranges', async t => {
  const whole = await get({}, 'GET', 'empty')
  const head = await get({}, 'HEAD', 'empty')

  t.equal(whole.status, 200)
  t.equal(whole.headers.get('content-length'), '0')
  t.equal(whole.headers.get('etag'), `"${sha256('')}"`)
  t.equal(head.headers.get('content-length'), '0')
  for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-5']) {
    const answer = await get({ range }, 'GET', 'empty')

    isRefusal(t, answer, { status: 416, code: 'STAGE_ERR_RANGE', expected: 'a range within 0 bytes' })
    t.equal(answer.headers.get('content-range'), 'bytes */0')
  }
})

t.test('HEAD of an error has its headers and no body', async t => {
  const missing = await get({}, 'HEAD', 'absent')
  const unmatched = await get({ 'if-match': '"other"' }, 'HEAD')
  const refused = await download(server, bundleId, 'no-token', '/entries/files/digits', {}, 'HEAD')

  t.strictSame(
    [missing, unmatched, refused].map(({ status }) => status),
    [404, 412, 401]
  )
  for (const { bytes, headers } of [missing, unmatched, refused]) {
    t.equal(bytes.length, 0)
    t.match(headers.get('content-type'), /^application\/json/)
  }
})
