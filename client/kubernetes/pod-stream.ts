import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { KubeConfig } from '@kubernetes/client-node'
import { type RawData, WebSocket } from 'ws'
import { secondMs } from '../../shared/units.ts'

/** One port of one pod. */
export interface PodPort {
  readonly namespace: string
  readonly pod: string
  readonly port: number
}

/** How long a way may take to open, and how long it may be quiet. Milliseconds. */
export interface StreamTimes {
  readonly openMs: number
  /** Between two questions whether the other side is there. */
  readonly pingMs: number
  /** Without an answer or a byte that went forward, after which the way counts as cut. */
  readonly silenceMs: number
}

const usualTimes: StreamTimes = { openMs: 15 * secondMs, pingMs: 20 * secondMs, silenceMs: 60 * secondMs }

/** What the API server answered in place of opening the way: a status, and the text of a Status object. */
export class WayRefused extends Error {
  override readonly name = 'WayRefused'
  readonly code: number
  readonly body: string

  constructor(code: number, body: string) {
    super(`HTTP ${code}`)
    this.code = code
    this.body = body
  }
}

/**
 * Opens a connection to a port of a pod, through the API server: Kubernetes' port-forward over a WebSocket. The client's
 * own of `@kubernetes/client-node` takes in whatever arrives, however slowly it is read, so a large file would be
 * held in memory; hence this one.
 *
 * @throws WayRefused, or what the network failed with
 */
export async function openPodStream(
  config: KubeConfig,
  { namespace, pod, port }: PodPort,
  signal: AbortSignal,
  times = usualTimes
): Promise<Duplex> {
  signal.throwIfAborted()
  const options = { perMessageDeflate: false, handshakeTimeout: times.openMs }
  await config.applyToHTTPSOptions(options)
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/portforward?ports=${port}`
  const url = `${config.getCurrentCluster()?.server}${path}`
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
  const webSocket = new WebSocket(url, ['v4.channel.k8s.io'], options)
  // At once: the first messages come together with the answer.
  webSocket.once('open', () => resolve(new PodStream(webSocket, times)))
  webSocket.once('unexpected-response', (_request, response: IncomingMessage) => {
    text(response).then(body => reject(new WayRefused(Number(response.statusCode), body)), reject)
  })
  webSocket.on('error', reject)
  const stop = () => webSocket.terminate()
  signal.addEventListener('abort', stop)
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The channels there are when one port is asked for; each message begins with the number of its own. */
const bytesChannel = 0
const errorChannel = 1
/** The first message of a channel says which port it is for. */
const portBytes = 2

/** Neither side is read faster than the other takes. */
class PodStream extends Duplex {
  readonly #webSocket: WebSocket
  readonly #pinging: NodeJS.Timeout
  readonly #greeted = new Set<number>()
  #aliveAtMs = performance.now()

  constructor(webSocket: WebSocket, { pingMs, silenceMs }: StreamTimes) {
    // Such a connection has no half: who has sent all goes on reading until the other side ends.
    super({ allowHalfOpen: true })
    this.#webSocket = webSocket
    this.#pinging = setInterval(() => this.#ping(silenceMs), pingMs).unref()
    webSocket.on('message', (message: RawData) => this.#receive(message as Buffer))
    webSocket.on('pong', () => this.#isAlive())
    webSocket.on('error', error => this.destroy(error))
    webSocket.on('close', code => {
      if (code === normalEnd) this.push(null)
      else this.destroy(new Error(`the way through the API server was cut (${code})`))
    })
  }

  override _read(): void {
    this.#webSocket.resume()
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#webSocket.send(Buffer.concat([Buffer.of(bytesChannel), bytes]), error => {
      this.#isAlive()
      done(error)
    })
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#pinging)
    this.#webSocket.terminate()
    done(error)
  }

  #receive(message: Buffer): void {
    this.#isAlive()
    const channel = message.readUInt8(0)
    const begin = this.#greeted.has(channel) ? 1 : 1 + portBytes
    this.#greeted.add(channel)
    const bytes = message.subarray(begin)
    if (bytes.length === 0) return
    if (channel === errorChannel) this.destroy(new Error(bytes.toString()))
    else if (!this.push(bytes)) this.#webSocket.pause()
  }

  #ping(silenceMs: number): void {
    // While nobody here reads, its answers wait with all the rest.
    if (this.#webSocket.isPaused) this.#isAlive()
    else if (performance.now() - this.#aliveAtMs > silenceMs) this.destroy(new Error('no answer any more'))
    else this.#webSocket.ping()
  }

  #isAlive(): void {
    this.#aliveAtMs = performance.now()
  }
}

/** The code of a WebSocket that was closed because all is done. */
const normalEnd = 1000
