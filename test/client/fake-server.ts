import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** What a fake server saw of one request. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  /** Bytes of the body that arrived. */
  sizeBytes: number
}

/** A server that keeps drafts in memory, as far as a client can tell. */
export interface FakeServer {
  readonly url: string
  readonly requests: SeenRequest[]
  /** Bytes by digest; what is put here beforehand is not asked for. */
  readonly blobs: Map<string, Buffer>
  /** Requests whose path ends so. */
  seen(ending: string): readonly SeenRequest[]
}

/** Answers in place of the fake server when it returns true; `number` counts requests of this path from 1. */
export type Fault = (request: IncomingMessage, response: ServerResponse, number: number) => boolean

export const fakeBundleId = '0123456789abcdef0123456789abcdef'
export const fakeToken = 'fake.download.token-that-nobody-prints'
export const fakeNamespace = 'team-a'

interface AskedEntry {
  readonly kind: string
  readonly name: string
  readonly alias?: string
  readonly sizeBytes: number
  readonly sha256: string
  readonly executable?: boolean
}

/** Starts a fake on 127.0.0.1 that ends with the test. */
export async function startFakeServer(t: Test, fault: Fault = () => false): Promise<FakeServer> {
  const requests: SeenRequest[] = []
  const blobs = new Map<string, Buffer>()
  let asked: readonly AskedEntry[] = []

  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request
    const seen: SeenRequest = { method, path, headers, sizeBytes: 0 }
    requests.push(seen)
    const number = requests.filter(other => other.path === path).length
    if (fault(request, response, number)) return void request.resume().on('error', () => {})
    const body = await readAll(request, seen)
    if (body === undefined) return
    const digest = /\/blobs\/([0-9a-f]{64})$/.exec(path)?.[1]
    if (digest !== undefined) {
      if (createHash('sha256').update(body).digest('hex') !== digest)
        return answerError(response, 422, 'STAGE_ERR_DIGEST')
      blobs.set(digest, body)
      return answer(response, 201, {})
    }
    const missing = () => [...new Set(asked.map(entry => entry.sha256))].filter(sha256 => !blobs.has(sha256))
    if (path.endsWith('/commit')) {
      if (missing().length > 0)
        return answerError(response, 409, 'STAGE_ERR_INCOMPLETE', { missing: missing() })
      return answer(response, 200, {
        bundleId: fakeBundleId,
        token: fakeToken,
        expiresAt: '2030-01-01T00:00:00.000Z'
      })
    }
    if (method === 'GET') {
      if (headers.authorization !== `Bearer ${fakeToken}`)
        return answerError(response, 401, 'STAGE_ERR_TOKEN')
      const layOut = (entry: AskedEntry) => ({
        executable: false,
        ...entry,
        path: `${entry.kind}/${entry.name}`
      })
      const entry = asked.map(layOut).find(({ path: tail }) => path.endsWith(`/entries/${tail}`))
      if (entry !== undefined) {
        const size = { 'content-length': String(entry.sizeBytes), etag: `"${entry.sha256}"` }
        return void response.writeHead(200, size).end(blobs.get(entry.sha256))
      }
      const createdAt = '2029-12-31T00:00:00.000Z'
      const entries = asked.map(layOut)
      return answer(response, 200, { bundleId: fakeBundleId, namespace: fakeNamespace, createdAt, entries })
    }
    asked = (JSON.parse(body.toString()) as { entries: readonly AskedEntry[] }).entries
    answer(response, 201, { bundleId: fakeBundleId, missing: missing() })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, requests, blobs, seen: ending => requests.filter(({ path }) => path.endsWith(ending)) }
}

/** Answers with JSON. */
export function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {}
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** Answers with an error as the real server words them. */
export function answerError(response: ServerResponse, status: number, code: string, more: object = {}): void {
  const headers: Record<string, string> = { connection: 'close' }
  answer(response, status, { code, message: `the sentence of ${code}`, ...more, requestId: 'req-1' }, headers)
}

async function readAll(request: IncomingMessage, seen: SeenRequest): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) {
      chunks.push(chunk)
      seen.sizeBytes += chunk.length
    }
    return Buffer.concat(chunks)
  } catch {
    // The client went away.
    return undefined
  }
}
