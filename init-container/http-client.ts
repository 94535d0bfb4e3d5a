import type { Agent, Dispatcher } from 'undici'
import { isPlaintext } from '../shared/loopback.ts'
import { explainStatus } from './explain-status.ts'
import type { FetchOptions } from './fetch-bundle.ts'
import { FetchError } from './fetch-error.ts'
import { readAuthorities, readToken } from './read-secrets.ts'

/** An answer whose body is still to be read, or to be destroyed. */
export type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>

/** Asks one server, with one token. Follows no redirects, speaks HTTP/1.1. */
export class HttpClient implements AsyncDisposable {
  readonly #agent: Agent
  readonly #server: URL
  readonly #token: string

  private constructor(agent: Agent, server: URL, token: string) {
    this.#agent = agent
    this.#server = server
    this.#token = token
  }

  /** @throws FetchError `usage` when the token or the authorities cannot be read, or the token would be sent in clear */
  static async open({
    server,
    tokenFile,
    caFile,
    allowPlaintext,
    stallMs
  }: FetchOptions): Promise<HttpClient> {
    if (isPlaintext(server) && !allowPlaintext) {
      const expected = 'https, because the token must not be sent in clear'
      throw new FetchError({ exit: 'usage', subject: `server ${server.host}`, expected, found: 'http' })
    }
    const token = await readToken(tokenFile)
    const authorities = caFile === undefined ? {} : { ca: await readAuthorities(caFile) }
    // Late, because it is most of the program's start, and a wrong option can be told without it.
    const { Agent } = await import('undici')
    const connect = { timeout: stallMs, ...authorities }
    const agent = new Agent({ allowH2: false, headersTimeout: stallMs, bodyTimeout: stallMs, connect })
    return new HttpClient(agent, server, token)
  }

  /**
   * One attempt, nothing is asked again.
   *
   * @param subject names the thing in errors
   * @returns an answer with a status of 2xx, 412 or 416: the caller decides which it takes
   * @throws FetchError when asking again cannot help, TransientError when the server says that it may, and undici's
   *   errors as they are
   */
  async get(
    subject: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<Answer> {
    const answer = await this.#agent.request({
      origin: this.#server.origin,
      path: this.#server.pathname.replace(/\/$/, '') + path,
      method: 'GET',
      headers: { ...headers, authorization: `Bearer ${this.#token}`, 'accept-encoding': 'identity' },
      signal
    })
    // Whoever reads the body is told its errors; dropping it unread is one to undici, and would end the process.
    answer.body.on('error', () => {})
    const { statusCode } = answer
    if ((statusCode >= 200 && statusCode < 300) || statusCode === 412 || statusCode === 416) return answer
    throw await explainStatus(subject, answer, this.#token)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }
}
