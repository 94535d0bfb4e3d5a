import { setMaxListeners } from 'node:events'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { retryAfterMs } from '../shared/backoff.ts'
import { MiB, secondMs } from '../shared/units.ts'
import { ClientError } from './client-error.ts'
import { networkFailure } from './network-failure.ts'
import { Patience, type PatienceOptions, type RetryableError } from './retry.ts'
import { failureOf, parseError, parseJson, type RefusedError } from './server-answer.ts'

/** Which server, and how to talk to it. */
export interface ServerOptions extends PatienceOptions {
  /** `http(s)://host[:port][/prefix]`. */
  readonly url: URL
  /** The upload credential: a secret, or where it is had for each request. Absent for upload identity `none`. */
  readonly uploadToken?: string | (() => Promise<string>) | undefined
  /** PEM text of the only authorities to trust for https; absent means those of Node. */
  readonly ca?: string | undefined
  /** The name that the server's certificate has to have; absent: the one in `url`. */
  readonly servername?: string | undefined
  /** Called once all is done: what has to be closed behind the connections. */
  readonly onClose?: (() => Promise<void>) | undefined
  /** Tunnels https. Absent: the server is asked directly. */
  readonly proxy?: URL | undefined
}

/** One request. */
export interface Asked {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** From `shared/paths.ts`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Called anew for each attempt. Absent: no body. */
  readonly body?: () => string | Readable
  /** A token to show in place of the upload credential: a secret. */
  readonly token?: string | undefined
}

/** One request, and how its answer is read once it is a success. */
export interface Call<Answer> extends Asked {
  readonly parse: (json: unknown) => Answer
}

/** An answer of any status, read to its end. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
}

/** How long the way to the server may take to open. */
const connectMs = 10 * secondMs

/** How long one answer may take once the body is sent; a large file is hashed and synced before it comes. */
const answerMs = 120 * secondMs

/** Ten thousand entries with long names stay below this. */
const answerBytes = 32 * MiB

/** A server as uploaders see it: JSON answers, failures retried as {@link Patience} does, connections kept. */
export class StageServer implements AsyncDisposable {
  readonly #options: ServerOptions
  readonly #dispatcher: Dispatcher
  readonly #request: typeof import('undici')['request']
  readonly #patience: Patience

  private constructor(options: ServerOptions, undici: typeof import('undici')) {
    const { ca, giveUpMs, proxy, servername } = options
    this.#options = options
    this.#request = undici.request
    const named = servername === undefined ? {} : { servername }
    const connect = { timeout: Math.min(connectMs, giveUpMs), ca, ...named }
    const waitMs = Math.min(answerMs, giveUpMs)
    const timeouts = { headersTimeout: waitMs, bodyTimeout: waitMs }
    this.#dispatcher =
      proxy === undefined
        ? new undici.Agent({ connect, ...timeouts })
        : new undici.ProxyAgent({
            uri: proxy.href,
            requestTls: connect,
            proxyTls: { timeout: connect.timeout },
            ...timeouts
          })
    this.#patience = new Patience(options)
  }

  /** Loads the HTTP client, which is most of the program's start, only now that it is needed. */
  static async open(options: ServerOptions): Promise<StageServer> {
    return new StageServer(options, await import('undici'))
  }

  /** Bytes went further than in any attempt before: see {@link Patience.progress}. */
  progress(): void {
    this.#patience.progress()
  }

  /**
   * Asks until there is an answer.
   *
   * @throws RefusedError with the server's words, once asking again will not help
   * @throws ClientError (gaveUp) when nothing goes forward any more
   */
  async call<Answer>(call: Call<Answer>, signal: AbortSignal): Promise<Answer> {
    // Every running call listens on the same signal.
    setMaxListeners(0, signal)
    return this.#patience.retry(async () => {
      const answer = await this.ask(call, signal)
      if (!isSuccess(answer)) throw refusal(answer)
      return call.parse(parseJson(answer.text))
    }, signal)
  }

  /**
   * Asks once.
   *
   * @returns the answer, whatever its status
   * @throws RetryableError or ClientError when there is none
   */
  async ask({ method, path, headers, body, token }: Asked, signal: AbortSignal): Promise<RawAnswer> {
    const { url, uploadToken, proxy } = this.#options
    try {
      const shown = token ?? (typeof uploadToken === 'function' ? await uploadToken() : uploadToken)
      const answer = await this.#request(new URL(url.pathname.replace(/\/$/, '') + path, url), {
        method,
        headers: { ...headers, ...(shown === undefined ? {} : { authorization: `Bearer ${shown}` }) },
        body: body?.() ?? null,
        dispatcher: this.#dispatcher,
        signal
      })
      return { status: answer.statusCode, headers: answer.headers, text: await readText(answer.body) }
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof ClientError ? error : networkFailure(error, url, proxy)
    }
  }

  /** Closes all connections, running requests included. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
    await this.#options.onClose?.()
  }
}

/** Whether the server did what it was asked to. */
export function isSuccess({ status }: RawAnswer): boolean {
  return status >= 200 && status < 300
}

/** What an answer means that is no success: see {@link failureOf}. */
export function refusal({ status, headers, text }: RawAnswer): RetryableError | RefusedError {
  const retryAfter = headers['retry-after']
  const waitMs = retryAfterMs(typeof retryAfter === 'string' ? retryAfter : undefined, Date.now())
  return failureOf(status, parseError(status, text), waitMs)
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > answerBytes)
      throw new ClientError('internal', `the server's answer has more than ${answerBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
