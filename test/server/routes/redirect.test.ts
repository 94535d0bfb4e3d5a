import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { fetchBundle, fetchDefaults } from '../../../init-container/fetch-bundle.ts'
import type { Config } from '../../../server/config.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { entryKind, entryName, toResourceId } from '../../../server/v0/resource.ts'
import { bundlesPath, manifestPath } from '../../../shared/paths.ts'
import { hourMs } from '../../../shared/units.ts'
import { auditLines } from '../../helpers/audited-actions.ts'
import { type Answer, call, download, stage, upload } from '../../helpers/call.ts'
import { isRefusal } from '../../helpers/refusals.ts'
import { replaceMethods } from '../../helpers/replaced-store.ts'
import { sha256, startServer, type TestServer } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'

const text = '0123456789'
const etag = `"${sha256(text)}"`
const signature = 'X-Amz-Signature=0f1e2d3c4b5a'

interface Redirecting {
  readonly server: TestServer
  readonly clock: TestClock
  /** What was signed: key, seconds, content type. */
  readonly signed: readonly (readonly unknown[])[]
  readonly bucketRequests: readonly IncomingMessage[]
  get(headers?: Readonly<Record<string, string>>, method?: string, name?: string): Promise<Answer>
  readonly bundleId: string
  readonly token: string
}

/** A server over a store that signs, and the bucket that its URLs lead to. */
async function redirecting(t: Test, config: Partial<Config> = {}): Promise<Redirecting> {
  const signed: unknown[][] = []
  const bucketRequests: IncomingMessage[] = []
  let folder = ''
  const bucket = createServer(async (request, response) => {
    bucketRequests.push(request)
    const path = join(folder, new URL(request.url ?? '', 'http://bucket').pathname)
    const { size } = await stat(path)
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': size - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${size - 1}/${size}` } : {})
    })
    await pipeline(createReadStream(path, { start }), response)
  })
  await once(bucket.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => bucket.close())
  const { port } = bucket.address() as AddressInfo
  const clock = new TestClock()
  const server = await startServer(t, {
    clock,
    config: { SPARK_STAGE_S3_REDIRECT: true, ...config },
    wrapStore: store =>
      replaceMethods(store, {
        presign: async (...args) => {
          signed.push(args)
          return `http://127.0.0.1:${port}/${args[0]}?${signature}`
        }
      })
  })
  folder = server.folder
  server.keepSecret(signature)
  const { bundleId, token } = (
    await stage(server, [
      ['files', 'digits', text],
      ['files', 'empty', '']
    ])
  ).json
  const get: Redirecting['get'] = (headers = {}, method = 'GET', name = 'digits') =>
    call(server, method, `${manifestPath('team-a', bundleId)}/entries/files/${name}`, {
      redirect: 'manual',
      headers: { authorization: `Bearer ${token}`, ...headers }
    })
  return { server, clock, signed, bucketRequests, get, bundleId, token }
}

t.test('a download is sent to the bucket, by a URL of two minutes for these bytes alone', async t => {
  const { get, signed, bundleId, server } = await redirecting(t)

  const answer = await get()

  t.equal(answer.status, 307)
  t.equal(answer.bytes.length, 0)
  t.equal(answer.headers.get('cache-control'), 'no-store')
  const key = `bundles/${bundleId}/0/data/0`
  t.strictSame(signed, [[key, 120, 'application/octet-stream']])
  t.match(answer.headers.get('location'), new RegExp(`^http://127\\.0\\.0\\.1:\\d+/${key}\\?${signature}$`))
  t.equal(await readFile(join(server.folder, key), 'utf8'), text)
})

for (const range of ['bytes=3-', 'bytes=0-0', 'bytes=3-5', 'bytes=3-99']) {
  t.test(`a download of ${range} is sent there too, where the client says its range again`, async t => {
    const { get } = await redirecting(t)

    const answer = await get({ range, 'if-match': etag })

    t.equal(answer.status, 307)
    t.equal(answer.headers.get('content-range'), null)
  })
}

const served: readonly (readonly [claim: string, headers: Record<string, string>, status: number])[] = [
  ['a client that asks for no redirect', { 'x-spark-stage-redirect': 'no' }, 200],
  [
    'a client that asks for no redirect and a range',
    { 'x-spark-stage-redirect': 'no', range: 'bytes=3-' },
    206
  ],
  ['what the client has already', { 'if-none-match': etag }, 304],
  ['a tag that the bucket would not know', { 'if-none-match': '"other"' }, 200],
  ['a range under a tag', { range: 'bytes=3-', 'if-range': etag }, 206],
  ['a range under an old tag', { range: 'bytes=3-', 'if-range': '"old"' }, 200],
  ['a time', { 'if-modified-since': 'Sun, 06 Nov 2044 08:49:37 GMT' }, 200],
  ['a range from the end', { range: 'bytes=-3' }, 206],
  ['two ranges', { range: 'bytes=0-1,4-5' }, 200],
  ['two ranges of which one is there', { range: 'bytes=2-4,100-' }, 206],
  ['another unit', { range: 'lines=0-1' }, 200]
]

for (const [claim, headers, status] of served) {
  t.test(`${claim}: that the server answers itself`, async t => {
    const { get, signed } = await redirecting(t)

    t.equal((await get(headers)).status, status)
    t.equal(signed.length, 0)
  })
}

t.test('HEAD, an empty file and whatever is refused stay with the server', async t => {
  const { get, signed, clock } = await redirecting(t)

  t.equal((await get({}, 'HEAD')).status, 200)
  t.equal((await get({}, 'GET', 'empty')).status, 200)
  isRefusal(t, await get({ 'if-match': '"other"' }), { status: 412, code: 'STAGE_ERR_PRECONDITION' })
  isRefusal(t, await get({ range: 'bytes=10-' }), { status: 416, code: 'STAGE_ERR_RANGE' })
  isRefusal(t, await get({}, 'GET', 'other'), { status: 404, code: 'STAGE_ERR_NOT_FOUND' })
  isRefusal(t, await get({ authorization: 'Bearer x' }), { status: 401, code: 'STAGE_ERR_TOKEN' })
  clock.advance(8 * 24 * hourMs)
  isRefusal(t, await get(), { status: 410, code: 'STAGE_ERR_GONE' })

  t.equal(signed.length, 0)
})

t.test('a redirect keeps the bundle, is audited and counted, and no log line shows its URL', async t => {
  const { get, server, clock, bundleId } = await redirecting(t)
  const before = (await upload(server, 'GET', bundlesPath('team-a'))).json.bundles[0].expiresAt
  clock.advance(4 * 24 * hourMs)

  await get({ range: 'bytes=4-' })

  const after = (await upload(server, 'GET', bundlesPath('team-a'))).json.bundles[0].expiresAt
  t.ok(Date.parse(after) > Date.parse(before))
  const isOfRedirect = ({ outcome }: { readonly outcome: string }) => outcome === 'redirected'
  await until(() => auditLines(server).some(isOfRedirect))
  t.match(auditLines(server).filter(isOfRedirect), [
    { action: 'download', status: 307, namespace: 'team-a', bundleId, entry: 'files/digits', bytes: 6 }
  ])
  const figures = (await call(server, 'GET', '/metrics')).bytes.toString()
  t.match(figures, 'spark_stage_actions_total{action="download",outcome="redirected"} 1')
  t.match(server.logLines.join(''), '"path":"/api/v1/bundles/')
  t.notMatch(server.logLines.join(''), 'X-Amz-')
})

t.test('a redirect does not wait behind downloads that send bytes', async t => {
  const { get } = await redirecting(t, {
    SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: 0,
    SPARK_STAGE_MAX_QUEUED_DOWNLOADS: 0
  })

  t.equal((await get()).status, 307)
  isRefusal(t, await get({ 'x-spark-stage-redirect': 'no' }), { status: 503, code: 'STAGE_ERR_BUSY' })
})

t.test('a store that cannot sign sends the bytes itself, whatever was asked for', async t => {
  const server = await startServer(t, { config: { SPARK_STAGE_S3_REDIRECT: true } })
  const { bundleId, token } = (await stage(server, [['files', 'digits', text]])).json

  const answer = await download(server, bundleId, token, '/entries/files/digits')

  t.equal(answer.bytes.toString(), text)
})

t.test('a store that cannot sign at the moment is a 503', async t => {
  const server = await startServer(t, {
    config: { SPARK_STAGE_S3_REDIRECT: true },
    wrapStore: store =>
      replaceMethods(store, {
        presign: () => Promise.reject(new StorageError('unavailable', 'no credentials'))
      })
  })
  const { bundleId, token } = (await stage(server, [['files', 'digits', text]])).json

  const answer = await download(server, bundleId, token, '/entries/files/digits')

  isRefusal(t, answer, { status: 503, code: 'STAGE_ERR_STORE_UNAVAILABLE' })
})

t.test('the fork is never redirected', async t => {
  const { server, signed } = await redirecting(t, { SPARK_STAGE_V0: true })
  const { bundleId, token } = (await stage(server, [[entryKind, entryName, text]])).json
  const path = `/api/v0/resources/${toResourceId(bundleId)}`

  const answer = await call(server, 'GET', path, { headers: { authorization: token } })

  t.equal(answer.bytes.toString(), text)
  t.equal(signed.length, 0)
})

t.test('a fetch goes by the bucket, which is shown no token and no tag', async t => {
  const { server, bucketRequests, bundleId, token } = await redirecting(t)
  const home = await mkdtemp(join(tmpdir(), 'spark-stage-test-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const tokenFile = join(home, 'token')
  await writeFile(tokenFile, token)
  const events: string[] = []

  await fetchBundle(
    {
      ...fetchDefaults,
      server: new URL(server.url),
      namespace: 'team-a',
      bundleId,
      tokenFile,
      into: join(home, 'into'),
      allowPlaintext: false
    },
    {
      event: (level, sentence, fields) => events.push(JSON.stringify([level, sentence, fields])),
      progress: () => {}
    },
    new AbortController().signal
  )

  t.equal(await readFile(join(home, 'into/files/digits'), 'utf8'), text)
  t.equal(bucketRequests.length, 1)
  const names = Object.keys(bucketRequests[0]?.headers ?? {})
  t.strictSame(names.sort(), ['accept-encoding', 'connection', 'host'])
  t.notMatch(events.join(''), 'X-Amz-')
})
