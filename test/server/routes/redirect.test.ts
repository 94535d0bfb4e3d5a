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
import { hourMs } from '../../../shared/units.ts'
import { auditLines } from '../../helpers/audited-actions.ts'
import { type Answer, download, stage, upload } from '../../helpers/call.ts'
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
async function redirecting(t: Test): Promise<Redirecting> {
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
    config: { SPARK_STAGE_S3_REDIRECT: true },
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
  const get: Redirecting['get'] = (headers = {}, method = 'GET', name = 'digits') => {
    const init = { method, redirect: 'manual', headers: { authorization: `Bearer ${token}`, ...headers } } as const
    return download({ url: server.url }, bundleId, token, `/entries/files/${name}`, init.headers, method)
  }
  return { server, clock, signed, bucketRequests, get, bundleId, token }
}
