import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { KiB, MiB } from '../../shared/units.ts'
import { type EntryRequest, type FakeServerOptions, fakeFile, fakeServer } from './fake-server.ts'
import { type Fetching, fetching, temporaryFolder } from './fetching.ts'
import { loopbackCertificate } from './loopback-certificate.ts'

const { key, cert } = loopbackCertificate
const tls = { key, cert }

/** Stands for what makes a URL of a bucket a secret. */
const signature = 'X-Amz-Signature=5ec4e7'

const file = fakeFile('files/x', randomBytes(64 * KiB))

/** A request to a bucket, and what an honest bucket would do. */
interface BucketRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly nth: number
  answer(cutAfterBytes?: number): void
}

interface FakeBucket {
  readonly origin: string
  readonly requests: readonly IncomingMessage[]
}

/** A bucket with one file, which knows ranges and none of our tags. */
async function fakeBucket(
  t: Test,
  { bytes } = file,
  onRequest: (request: BucketRequest) => void = ({ answer }) => answer(),
  isTls = false
): Promise<FakeBucket> {
  const requests: IncomingMessage[] = []
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const nth = requests.push(request) - 1
    const answer = (cutAfterBytes?: number): void => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const body = bytes.subarray(from)
      const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length, ...(from > 0 ? range : {}) })
      if (cutAfterBytes === undefined) response.end(body)
      else if (cutAfterBytes === 0) response.socket?.destroy()
      else response.write(body.subarray(0, cutAfterBytes), () => response.socket?.destroy())
    }
    onRequest({ request, response, nth, answer })
  }
  const bucket = isTls ? createTlsServer(tls, listener) : createServer(listener)
  await once(bucket.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    bucket.closeAllConnections()
    bucket.close()
  })
  const { port } = bucket.address() as AddressInfo
  return { origin: `${isTls ? 'https' : 'http'}://127.0.0.1:${port}`, requests }
}

/** Sends every client that allows it to this place, by a new URL each time. */
function redirectTo(origin: string): NonNullable<FakeServerOptions['onEntry']> {
  return ({ request, response, nth, answer }: EntryRequest) => {
    if (request.headers['x-spark-stage-redirect'] === 'no') return answer()
    response.writeHead(307, { location: `${origin}/store/data?${signature}&nth=${nth}` }).end()
  }
}

/** Sends bytes without saying before how many. */
function sendInChunks(response: ServerResponse, bytes: Buffer): void {
  response.flushHeaders()
  response.end(bytes)
}

/** The warnings about buckets. */
function bucketWarnings({ told }: Fetching): Fetching['told'] {
  return told.filter(({ sentence }) => sentence.startsWith('bucket '))
}

/** Asserts that the files came from the server in the end, and that this was told in one line. */
async function isFromServer(t: Test, fetch: Fetching, found: RegExp): Promise<void> {
  t.ok((await readFile(join(fetch.into, 'files/x'))).equals(file.bytes))
  t.match(bucketWarnings(fetch), [{ level: 'warn', fields: { file: 'files/x', found } }])
  t.equal(bucketWarnings(fetch).length, 1)
  t.notMatch(JSON.stringify(fetch.told), 'X-Amz-')
}

t.test('a bucket is asked for a range and nothing else', async t => {
  const bucket = await fakeBucket(t)
  const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin) })
  const fetch = fetching(t, server.url)

  const summary = await fetch.run()

  t.equal(summary.fetchedBytes, file.bytes.length)
  t.ok((await readFile(join(fetch.into, 'files/x'))).equals(file.bytes))
  t.equal(server.entryRequests[0]?.headers['x-spark-stage-redirect'], undefined)
  t.strictSame(Object.keys(bucket.requests[0]?.headers ?? {}).sort(), [
    'accept-encoding',
    'connection',
    'host'
  ])
  t.strictSame(fetch.warnings, [])
  t.notMatch(JSON.stringify(fetch.told), 'X-Amz-')
})

t.test('after each cut the server is asked for the rest, and no URL is used twice', async t => {
  const big = fakeFile('files/x', randomBytes(8 * MiB))
  const bucket = await fakeBucket(t, big, ({ nth, answer }) => answer(nth < 3 ? 2 * MiB : undefined))
  const server = await fakeServer(t, [big], { onEntry: redirectTo(bucket.origin) })
  const fetch = fetching(t, server.url)

  await fetch.run()

  t.ok((await readFile(join(fetch.into, 'files/x'))).equals(big.bytes))
  t.equal(server.entryRequests.length, 4)
  t.equal(new Set(bucket.requests.map(({ url }) => url)).size, 4)
  t.strictSame(
    bucket.requests.map(({ headers }) => headers.range),
    server.entryRequests.map(({ headers }) => headers.range)
  )
  t.match(bucket.requests[3]?.headers, {
    range: /^bytes=[1-9]\d+-$/,
    'if-match': undefined,
    authorization: undefined
  })
  t.strictSame(bucketWarnings(fetch), [])
})

t.test('a bucket that ignores ranges makes the file begin again', async t => {
  const bucket = await fakeBucket(t, file, ({ nth, answer, response }) => {
    if (nth === 0) answer(1000)
    else response.end(file.bytes)
  })
  const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin) })
  const fetch = fetching(t, server.url)

  await fetch.run()

  t.equal(bucket.requests[1]?.headers.range, 'bytes=1000-')
  t.ok((await readFile(join(fetch.into, 'files/x'))).equals(file.bytes))
  t.strictSame(bucketWarnings(fetch), [])
})

const useless: readonly (readonly [
  claim: string,
  found: RegExp,
  onRequest: (request: BucketRequest) => void
])[] = [
  [
    'refuses',
    /^status 403$/,
    ({ request, response }) =>
      response.writeHead(403).end(`<Error><Resource>${request.url}</Resource></Error>`)
  ],
  ['has lost the bytes', /^status 404$/, ({ response }) => response.writeHead(404).end('<Error/>')],
  ['fails', /^status 503$/, ({ response }) => response.writeHead(503, { 'retry-after': '600' }).end()],
  [
    'redirects in its turn',
    /^status 302$/,
    ({ request, response }) => response.writeHead(302, { location: `http://127.0.0.1:1${request.url}` }).end()
  ],
  ['says nothing', /^UND_ERR_HEADERS_TIMEOUT /, () => {}],
  [
    'begins and says nothing more',
    /^UND_ERR_BODY_TIMEOUT /,
    ({ response }) => void response.writeHead(200).flushHeaders()
  ],
  ['cuts every connection', /^UND_ERR_SOCKET /, ({ answer }) => answer(0)],
  ['sends nothing at all', /^the end after 0$/, ({ response }) => sendInChunks(response, Buffer.alloc(0))],
  [
    'has a file of another size',
    /^7 bytes$/,
    ({ response }) => response.writeHead(200, { 'content-length': 7 }).end('another')
  ],
  [
    'sends a range that nobody asked for',
    /^status 206 with Content-Range "bytes 0-65535\/65536"$/,
    ({ response }) => response.writeHead(206, { 'content-range': 'bytes 0-65535/65536' }).end(file.bytes)
  ],
  ['sends more', /^more$/, ({ response }) => sendInChunks(response, Buffer.concat([file.bytes, file.bytes]))],
  ['sends other bytes', /^sha256 /, ({ response }) => void response.end(Buffer.alloc(file.bytes.length))]
]

for (const [claim, found, onRequest] of useless) {
  t.test(`where the bucket ${claim}, the server sends the bytes itself`, async t => {
    const bucket = await fakeBucket(t, file, onRequest)
    const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin) })
    const fetch = fetching(t, server.url, { stallMs: 200 })

    await fetch.run()

    await isFromServer(t, fetch, found)
    t.equal(bucket.requests.length, 1)
    t.equal(server.entryRequests.at(-1)?.headers['x-spark-stage-redirect'], 'no')
  })
}

const unreachable: readonly (readonly [
  claim: string,
  found: RegExp,
  location: (origin: string) => string | undefined
])[] = [
  ['does not listen', /^ECONNREFUSED /, () => 'http://127.0.0.1:1/'],
  ['has no address', /^(ENOTFOUND|EAI_AGAIN) /, () => 'http://nowhere.invalid/'],
  ['speaks no TLS', /^(ERR_SSL_|EPROTO)/, origin => origin.replace('http:', 'https:')],
  ['is not named', /^a URL that is not http\(s\)$/, () => undefined],
  ['is a path', /^a URL that is not http\(s\)$/, () => '/elsewhere'],
  ['is no web server', /^a URL that is not http\(s\)$/, () => 'ftp://127.0.0.1/'],
  [
    'comes with a password',
    /^a URL that is not http\(s\)$/,
    origin => origin.replace('//', '//user:password@')
  ]
]

for (const [claim, found, location] of unreachable) {
  t.test(`where the bucket ${claim}, the server sends the bytes itself`, async t => {
    const bucket = await fakeBucket(t)
    const to = location(bucket.origin)
    const server = await fakeServer(t, [file], {
      onEntry: ({ request, response, answer }) => {
        if (request.headers['x-spark-stage-redirect'] === 'no') return answer()
        response.writeHead(307, to === undefined ? {} : { location: `${to}?${signature}` }).end()
      }
    })
    const fetch = fetching(t, server.url)

    await fetch.run()

    await isFromServer(t, fetch, found)
    t.notMatch(JSON.stringify(fetch.told), 'password')
    t.equal(bucket.requests.length, 0)
    t.strictSame(fetch.waits, [], 'at once')
  })
}

t.test('a bucket that cannot be used is not tried again for other files, and told of once', async t => {
  const files = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => fakeFile(`files/${name}`, name))
  const bucket = await fakeBucket(t, file, ({ response }) => response.writeHead(403).end())
  const server = await fakeServer(t, files, { onEntry: redirectTo(bucket.origin) })
  const fetch = fetching(t, server.url, { parallelCount: 3 })

  await fetch.run()

  t.ok(bucket.requests.length <= 3, `found ${bucket.requests.length}`)
  t.equal(bucketWarnings(fetch).length, 1)
  t.equal(await readFile(join(fetch.into, 'files/f'), 'utf8'), 'f')
})

t.test('what a bucket has brought before it fails stays', async t => {
  const bucket = await fakeBucket(t, file, ({ nth, answer, response }) => {
    if (nth === 0) answer(1000)
    else response.writeHead(500).end()
  })
  const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin) })
  const fetch = fetching(t, server.url)

  const summary = await fetch.run()

  t.equal(summary.fetchedBytes, file.bytes.length)
  t.equal(server.entryRequests.at(-1)?.headers.range, 'bytes=1000-')
  t.ok((await readFile(join(fetch.into, 'files/x'))).equals(file.bytes))
})

t.test('a bundle that ended meanwhile is gone, as the server says', async t => {
  const bucket = await fakeBucket(t, file, ({ response }) => response.writeHead(404).end())
  const server = await fakeServer(t, [file], {
    onEntry: ({ nth, response }) => {
      if (nth === 0) response.writeHead(307, { location: `${bucket.origin}/x?${signature}` }).end()
      else response.writeHead(410).end(JSON.stringify({ code: 'STAGE_ERR_GONE', reason: 'revoked' }))
    }
  })

  await t.rejects(fetching(t, server.url).run(), {
    message: 'files/x: expected status 200, found status 410, code "STAGE_ERR_GONE", reason "revoked"',
    failure: { exit: 'gone' }
  })
})

t.test('a server that redirects although it was asked not to is refused, and its URL not shown', async t => {
  const bucket = await fakeBucket(t, file, ({ response }) => response.writeHead(403).end())
  const server = await fakeServer(t, [file], {
    onEntry: ({ response }) => response.writeHead(307, { location: `${bucket.origin}/x?${signature}` }).end()
  })

  await t.rejects(fetching(t, server.url).run(), {
    message: 'files/x: expected status 200, found status 307',
    failure: { exit: 'refused' }
  })
})

t.test('a fetch that is stopped while a bucket keeps it waiting rejects with the reason', async t => {
  const reason = new Error('enough')
  const bucket = await fakeBucket(t, file, () => fetch.stop.abort(reason))
  const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin) })
  const fetch = fetching(t, server.url)

  await t.rejects(fetch.run(), reason)

  t.strictSame(bucketWarnings(fetch), [])
})

t.test('a fetch that is stopped in the middle of what a bucket sends blames nobody', async t => {
  const reason = new Error('enough')
  const bucket = await fakeBucket(t, file, ({ response }) => {
    response.writeHead(200, { 'content-length': file.bytes.length })
    response.write(file.bytes.subarray(0, 1000), () => setTimeout(() => fetch.stop.abort(reason), 0))
  })
  const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin) })
  const fetch = fetching(t, server.url)

  await t.rejects(fetch.run(), reason)

  t.strictSame(bucketWarnings(fetch), [])
})

t.test('over TLS', async t => {
  const caFile = join(temporaryFolder(t), 'ca.pem')
  await writeFile(caFile, cert)

  t.test('a bucket of the same authority is used', async t => {
    const bucket = await fakeBucket(t, file, undefined, true)
    const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin), tls })
    const fetch = fetching(t, server.url, { caFile })

    await fetch.run()

    t.equal(bucket.requests.length, 1)
    t.equal(bucket.requests[0]?.headers.authorization, undefined)
    t.strictSame(bucketWarnings(fetch), [])
  })

  t.test('one of an authority that nobody knows is not', async t => {
    const bucket = await fakeBucket(t, file, undefined, true)
    const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin) })
    const fetch = fetching(t, server.url)

    await fetch.run()

    await isFromServer(t, fetch, /^DEPTH_ZERO_SELF_SIGNED_CERT /)
    t.equal(bucket.requests.length, 0)
  })

  t.test('no server leads to plain http', async t => {
    const bucket = await fakeBucket(t)
    const server = await fakeServer(t, [file], { onEntry: redirectTo(bucket.origin), tls })
    const fetch = fetching(t, server.url, { caFile })

    await fetch.run()

    await isFromServer(t, fetch, /^a URL that is not https$/)
    t.equal(bucket.requests.length, 0)
  })
})
