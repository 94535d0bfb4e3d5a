import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { KubeConfig } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'

/** A request as the API server saw it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

/** What is answered: a status and JSON, or whatever the function does with the response. */
export type FakeAnswer =
  | { readonly status?: number; readonly body: object }
  | ((response: ServerResponse) => void)

/** A Status object, as Kubernetes refuses with one. */
export function refused(status: number, message: string): FakeAnswer {
  return { status, body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code: status } }
}

/** An API server that answers what it is told to, over plain http on loopback. */
export class FakeApiServer {
  readonly requests: SeenRequest[] = []
  /** By `GET /api/v1/…`; what is not here is answered 404. Several answers are given one after the other. */
  readonly answers = new Map<string, FakeAnswer | FakeAnswer[]>()
  /** Gets every WebSocket of a port-forward. */
  onForward: (webSocket: WebSocket, path: string) => void = webSocket => webSocket.close()
  /** Told that one is asked for, which is then left without an answer. */
  onUpgrade: (() => void) | undefined
  /** In place of opening one: a status and a body. */
  refusal: { readonly status: number; readonly body: string } | undefined
  readonly #url: string

  private constructor(url: string) {
    this.#url = url
  }

  static async start(t: Test): Promise<FakeApiServer> {
    const server = createServer()
    const webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const fake = new FakeApiServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    server.on('request', (request, response) => void fake.#answer(request, response))
    server.on('upgrade', (request, socket, head) => {
      const { refusal, onUpgrade } = fake
      if (onUpgrade !== undefined) return onUpgrade()
      if (refusal !== undefined) {
        const length = Buffer.byteLength(refusal.body)
        socket.end(`HTTP/1.1 ${refusal.status} No\r\ncontent-length: ${length}\r\n\r\n${refusal.body}`)
        return
      }
      webSockets.handleUpgrade(request, socket, head, webSocket =>
        fake.onForward(webSocket, String(request.url))
      )
    })
    t.teardown(() => {
      for (const webSocket of webSockets.clients) webSocket.terminate()
      server.close()
      server.closeAllConnections()
    })
    return fake
  }

  /** How its administrator asks it. */
  config(server = this.#url): KubeConfig {
    const config = new KubeConfig()
    config.loadFromClusterAndUser(
      { name: 'fake', server, skipTLSVerify: true },
      { name: 'admin', token: 'token-of-the-kubeconfig' }
    )
    return config
  }

  get url(): string {
    return this.#url
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(String(request.url), this.#url)
    const method = String(request.method)
    const body = request.headers['content-length'] === undefined ? undefined : await json(request)
    this.requests.push({ method, path: pathname, query: searchParams, headers: request.headers, body })
    const given = this.answers.get(`${method} ${pathname}`) ?? refused(404, `no ${pathname}`)
    const answer = Array.isArray(given) ? (given.shift() ?? refused(404, 'no more answers')) : given
    if (typeof answer === 'function') return answer(response)
    response
      .writeHead(answer.status ?? 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(answer.body))
  }
}
