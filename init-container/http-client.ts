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
  /** PEM text of the only authorities that are trusted; undefined means those of Node. */
  readonly ca: string | undefined

  private constructor(
    dispatcher: Dispatcher,
    { server, ca }: { readonly server: URL; readonly ca: string | undefined },
    token: string | undefined,
    scheme: string
  ) {
    this.ca = ca
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
    const ca = caFile === undefined ? undefined : await readAuthorities(caFile)
    const dispatcher = await openDispatcher({ ca, servername, proxy, stallMs })
    const { interceptors } = await import('undici')
    const follow = interceptors.redirect({ maxRedirections: token === undefined ? maxRedirectsCount : 0 })
    return new HttpClient(dispatcher.compose(follow), { server, ca }, token, scheme)
  }

  /**
   * One attempt, nothing is asked again.
   *
   * @param subject names the thing in errors
   * @param other a status beside those that the caller takes
   * @returns an answer with a status of 2xx, 412 or 416: the caller decides which it takes
   * @throws FetchError when asking again cannot help, TransientError when the server says that it may, and undici's
   *   errors as they are
   */
  async get(
    subject: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    other?: number
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
    if ((statusCode >= 200 && statusCode < 300) || [412, 416, other].includes(statusCode)) return answer
    throw await explainStatus(subject, answer, this.#token)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }

  #authorization(): Readonly<Record<string, string>> {
    return this.#token === undefined ? {} : { authorization: this.#scheme + this.#token }
  }
}

/** How connections are made. */
export interface ConnectionOptions {
  /** PEM text of the only authorities to trust; undefined means those of Node. */
  readonly ca?: string | readonly string[] | undefined
  readonly servername?: string | undefined
  readonly proxy?: URL | undefined
  /** How long a connection, the begin of an answer, or more of it may take. */
  readonly stallMs: number
}

/** Loads undici only now: it is most of the program's start, and a wrong option can be told without it. */
export async function openDispatcher({
  ca,
  servername,
  proxy,
  stallMs
}: ConnectionOptions): Promise<Dispatcher> {
  const { Agent, ProxyAgent } = await import('undici')
  const connect = {
    timeout: stallMs,
    ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }),
    ...(servername === undefined ? {} : { servername })
  }
  const common = { allowH2: false, headersTimeout: stallMs, bodyTimeout: stallMs }
  return proxy === undefined
    ? new Agent({ ...common, connect })
    : new ProxyAgent({ ...common, uri: proxy.href, requestTls: connect, proxyTls: { timeout: stallMs } })
}
