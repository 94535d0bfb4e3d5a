import type { Dispatcher } from 'undici'
import { isPlaintext } from '../shared/loopback.ts'
import { explainStatus } from './explain-status.ts'
import { FetchError } from './fetch-error.ts'
import { readAuthorities, readToken } from './read-secrets.ts'

/** An answer whose body is still to be read, or to be destroyed. */
export type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>

/** Whom to ask, and how. `FetchOptions` has what it takes. */
export interface ClientOptions {
  readonly server: URL
  /** File with the token, one line; without it nothing secret is sent. */
  readonly tokenFile?: string | undefined
  /** What stands before the token in `Authorization`; `Bearer ` by default. */
  readonly scheme?: string
  readonly caFile?: string | undefined
  readonly servername?: string | undefined
  readonly proxy?: URL | undefined
  readonly allowPlaintext: boolean
  readonly stallMs: number
  /** How many redirects are followed; none by default, and none ever with a token. */
  readonly maxRedirectsCount?: number
}

/** Asks one server, with one token or none. Speaks HTTP/1.1. */
export class HttpClient implements AsyncDisposable {
  readonly #dispatcher: Dispatcher
  readonly #server: URL
  readonly #token: string | undefined
  readonly #scheme: string

  private constructor(dispatcher: Dispatcher, server: URL, token: string | undefined, scheme: string) {
    this.#dispatcher = dispatcher
    this.#server = server
    this.#token = token
    this.#scheme = scheme
  }

  /** @throws FetchError `usage` when the token or the authorities cannot be read, or the token would be sent in clear */
  static async open({
    server,
    tokenFile,
    caFile,
    servername,
    proxy,
    scheme = 'Bearer ',
    allowPlaintext,
    stallMs,
    maxRedirectsCount = 0
  }: ClientOptions): Promise<HttpClient> {
    if (tokenFile !== undefined && isPlaintext(server) && !allowPlaintext) {
      const expected = 'https, because the token must not be sent in clear'
      throw new FetchError({ exit: 'usage', subject: `server ${server.host}`, expected, found: 'http' })
    }
    const token = tokenFile === undefined ? undefined : await readToken(tokenFile)
    const authorities = caFile === undefined ? {} : { ca: await readAuthorities(caFile) }
    // Late, because it is most of the program's start, and a wrong option can be told without it.
    const { Agent, interceptors, ProxyAgent } = await import('undici')
    const named = servername === undefined ? {} : { servername }
    const connect = { timeout: stallMs, ...authorities, ...named }
    const common = { allowH2: false, headersTimeout: stallMs, bodyTimeout: stallMs }
    const agent =
      proxy === undefined
        ? new Agent({ ...common, connect })
        : new ProxyAgent({ ...common, uri: proxy.href, requestTls: connect, proxyTls: { timeout: stallMs } })
    const follow = interceptors.redirect({ maxRedirections: token === undefined ? maxRedirectsCount : 0 })
    return new HttpClient(agent.compose(follow), server, token, scheme)
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
    const answer = await this.#dispatcher.request({
      origin: this.#server.origin,
      path: this.#server.pathname.replace(/\/$/, '') + path,
      method: 'GET',
      headers: { ...headers, ...this.#authorization(), 'accept-encoding': 'identity' },
      signal
    })
    // Whoever reads the body is told its errors; dropping it unread is one to undici, and would end the process.
    answer.body.on('error', () => {})
    const { statusCode } = answer
    if ((statusCode >= 200 && statusCode < 300) || statusCode === 412 || statusCode === 416) return answer
    throw await explainStatus(subject, answer, this.#token)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  #authorization(): Readonly<Record<string, string>> {
    return this.#token === undefined ? {} : { authorization: this.#scheme + this.#token }
  }
}
