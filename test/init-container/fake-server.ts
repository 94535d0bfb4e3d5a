import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Entry } from '../../shared/manifest.ts'
import { checkKind } from '../../shared/names.ts'

/** The one bundle that fake servers know. */
export const namespace = 'spark-jobs'
export const bundleId = '0123456789abcdef0123456789abcdef'

/** Looks like a token and occurs nowhere else, so that a test can search for it. */
export const token = 'eyJhbGciOiJIUzI1NiJ9.c2VjcmV0.tokenOfTheTests'

/** A file of the fake bundle: what the manifest says and what the server sends for it. */
export interface FakeFile {
  readonly entry: Entry
  readonly bytes: Buffer
}

/** A request for an entry: how many of this entry came before, and what an honest server would do. */
export interface EntryRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly file: FakeFile
  /** 0 for the first request of this entry. */
  readonly nth: number
  /** Answers as RFC 9110 wants; `cutAfterBytes` breaks the connection after that many bytes of body. */
  answer(cutAfterBytes?: number): void
}

export interface FakeServerOptions {
  /** Replaces the honest answer to a request for an entry. */
  readonly onEntry?: (request: EntryRequest) => void
  /** Replaces the honest answer to a request for the manifest. */
  readonly onManifest?: (request: IncomingMessage, response: ServerResponse, nth: number) => void
  /** Serves https with this key and certificate. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Where to listen; 127.0.0.1 and a free port when missing. */
  readonly host?: string
  readonly port?: number
}

/** What a fake server has seen so far. */
export interface FakeServer {
  readonly url: URL
  readonly manifestRequests: readonly IncomingMessage[]
  readonly entryRequests: readonly IncomingMessage[]
  /** Breaks every connection and takes no new one. */
  stop(): void
}

/** An entry as an honest manifest describes it. */
export function fakeFile(path: string, bytes: Buffer | string, changes: Partial<Entry> = {}): FakeFile {
  const [kind = '', name = ''] = path.split('/')
  const content = Buffer.from(bytes)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const sizeBytes = content.length
  const entry = { kind: checkKind(kind), name, path, sizeBytes, sha256, executable: false, ...changes }
  return { entry, bytes: content }
}

/** Serves a bundle of these files on a free port of the loopback until the test ends. */
export async function fakeServer(
  t: Test,
  files: readonly FakeFile[],
  options: FakeServerOptions = {}
): Promise<FakeServer> {
  const manifestRequests: IncomingMessage[] = []
  const entryRequests: IncomingMessage[] = []
  const manifestUrl = `/api/v1/bundles/${namespace}/${bundleId}`
  const entries = files.map(file => file.entry)
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.endsWith(manifestUrl) === true) {
      const nth = manifestRequests.push(request) - 1
      const manifest = { bundleId, namespace, createdAt: '2026-01-01T00:00:00Z', entries }
      if (options.onManifest === undefined) response.end(JSON.stringify(manifest))
      else options.onManifest(request, response, nth)
      return
    }
    const file = files.find(({ entry }) => request.url?.endsWith(`/entries/${encodeURI(entry.path)}`))
    if (file === undefined) throw new Error(`no such entry: ${request.url}`)
    const nth = entryRequests.filter(other => other.url === request.url).length
    entryRequests.push(request)
    const answer = (cutAfterBytes?: number): void => answerEntry(request, response, file, cutAfterBytes)
    if (options.onEntry === undefined) answer()
    else options.onEntry({ request, response, file, nth, answer })
  }
  const server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener)
  const host = options.host ?? '127.0.0.1'
  await new Promise<void>(resolve => server.listen(options.port ?? 0, host, resolve))
  const stop = (): void => {
    server.closeAllConnections()
    server.close()
  }
  t.teardown(stop)
  const { port } = server.address() as AddressInfo
  const url = new URL(`${options.tls === undefined ? 'http' : 'https'}://${host}:${port}`)
  return { url, manifestRequests, entryRequests, stop }
}

function answerEntry(
  request: IncomingMessage,
  response: ServerResponse,
  file: FakeFile,
  cutAfterBytes?: number
): void {
  const { sha256 } = file.entry
  const total = file.bytes.length
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  if (request.headers['if-match'] !== `"${sha256}"`) throw new Error('a request without If-Match')
  const isRange = request.headers.range !== undefined
  if (isRange && from >= total) {
    response.writeHead(416, { 'content-range': `bytes */${total}` }).end()
    return
  }
  const body = file.bytes.subarray(from)
  response.writeHead(isRange ? 206 : 200, {
    etag: `"${sha256}"`,
    'accept-ranges': 'bytes',
    'content-length': body.length,
    ...(isRange && { 'content-range': `bytes ${from}-${total - 1}/${total}` })
  })
  if (cutAfterBytes === undefined) response.end(body)
  else response.write(body.subarray(0, cutAfterBytes), () => response.socket?.destroy())
}
