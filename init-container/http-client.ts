import { once } from 'node:events'
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request } from 'node:http'
import { isPlaintext } from '../shared/loopback.ts'
import { explainStatus } from './explain-status.ts'
import type { FetchOptions } from './fetch-bundle.ts'
import { FetchError } from './fetch-error.ts'
import { readAuthorities, readToken } from './read-secrets.ts'

/**
 * Asks one server, with one token, over connections that are kept. Follows no redirects.
 *
 * Node's own client and not undici, because retries are decided elsewhere and this program starts in every pod: it
 * starts 75 ms sooner and takes 28 MiB less (measured), and brings bytes only a little slower.
 */
export class HttpClient implements Disposable {
  readonly #agent: HttpAgent
  readonly #server: URL
  readonly #token: string
  readonly #stallMs: number

  private constructor(agent: HttpAgent, { server, stallMs }: FetchOptions, token: string) {
    this.#agent = agent
    this.#server = server
    this.#token = token
    this.#stallMs = stallMs
  }

  /** @throws FetchError `usage` when the token or the authorities cannot be read, or the token would be sent in clear */
  static async open(options: FetchOptions): Promise<HttpClient> {
    const { server, tokenFile, caFile, allowPlaintext } = options
    if (isPlaintext(server) && !allowPlaintext) {
      const expected = 'https, because the token must not be sent in clear'
      throw new FetchError({ exit: 'usage', subject: `server ${server.host}`, expected, found: 'http' })
    }
    const token = await readToken(tokenFile)
    if (server.protocol === 'http:') return new HttpClient(new HttpAgent({ keepAlive: true }), options, token)
    const authorities = caFile === undefined ? {} : { ca: await readAuthorities(caFile) }
    const { Agent: HttpsAgent } = await import('node:https')
    return new HttpClient(new HttpsAgent({ keepAlive: true, ...authorities }), options, token)
  }

  /**
   * One attempt, nothing is asked again. An answer, or a body, that brings no byte for the stall limit fails with
   * `ETIMEDOUT`.
   *
   * @param subject names the thing in errors
   * @returns an answer with a status of 2xx, 412 or 416: the caller decides which it takes, and reads or destroys it
   * @throws FetchError when asking again cannot help, TransientError when the server says that it may, and Node's
   *   errors of the network as they are
   */
  async get(
    subject: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<IncomingMessage> {
    const url = this.#server.origin + this.#server.pathname.replace(/\/$/, '') + path
    const asked = request(url, {
      agent: this.#agent,
      headers: { ...headers, authorization: `Bearer ${this.#token}`, 'accept-encoding': 'identity' },
      timeout: this.#stallMs,
      signal
    })
    const answer = await this.#answerTo(asked.end())
    const { statusCode = 0 } = answer
    if ((statusCode >= 200 && statusCode < 300) || statusCode === 412 || statusCode === 416) return answer
    throw await explainStatus(subject, answer, this.#token)
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #answerTo(asked: ClientRequest): Promise<IncomingMessage> {
    const stalled = Object.assign(new Error(`no byte for ${this.#stallMs} ms`), { code: 'ETIMEDOUT' })
    asked.once('timeout', () => asked.destroy(stalled))
    // A boundary: events have no types.
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    // Whoever reads the body is told its errors. Here they only must not count as unhandled: a body that nobody
    // reads, or its request, may still fail.
    asked.on('error', () => {})
    answer.on('error', () => {})
    asked.once('timeout', () => answer.destroy(stalled))
    return answer
  }
}
