import { setMaxListeners } from 'node:events'
import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { retryAfterMs } from '../shared/backoff.ts'
import { MiB, secondMs } from '../shared/units.ts'
import { ClientError } from './client-error.ts'
import { networkFailure } from './network-failure.ts'
import { Patience, type PatienceOptions, RetryableError } from './retry.ts'
import { failureOf, parseError, parseJson } from './server-answer.ts'

/** Which server, and how to talk to it. */
export interface ServerOptions extends PatienceOptions {
  /** `http(s)://host[:port][/prefix]`. */
  readonly url: URL
  /** The upload credential: a secret. Absent for a server with upload identity `none`. */
  readonly uploadToken?: string | undefined
  /** PEM text of the only authorities to trust for https; absent means those of Node. */
  readonly ca?: string | undefined
}

/** One request, and how its answer is read. */
export interface Call<Answer> {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** From `shared/paths.ts`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Called anew for each attempt. Absent: no body. */
  readonly body?: () => string | Readable
  /** A token to show in place of the upload credential: a secret. */
  readonly token?: string
  readonly parse: (json: unknown) => Answer
}

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
    const { ca, giveUpMs } = options
    this.#options = options
    this.#request = undici.request
    this.#dispatcher = new undici.Agent({
      connect: { timeout: Math.min(10 * secondMs, giveUpMs), ca },
      headersTimeout: Math.min(answerMs, giveUpMs),
      bodyTimeout: Math.min(answerMs, giveUpMs)
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
      try {
        return call.parse(await this.#attempt(call, signal))
      } catch (error) {
        signal.throwIfAborted()
        throw isOurs(error) ? error : networkFailure(error, this.#options.url)
      }
    }, signal)
  }

  async #attempt(call: Call<unknown>, signal: AbortSignal): Promise<unknown> {
    const { url } = this.#options
    const token = call.token ?? this.#options.uploadToken
    const { statusCode, headers, body } = await this.#request(
      new URL(url.pathname.replace(/\/$/, '') + call.path, url),
      {
        method: call.method,
        headers: {
          ...call.headers,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` })
        },
        body: call.body?.() ?? null,
        dispatcher: this.#dispatcher,
        signal
      }
    )
    const text = await readText(body)
    if (statusCode >= 200 && statusCode < 300) return parseJson(text)
    const retryAfter = headers['retry-after']
    const waitMs = retryAfterMs(typeof retryAfter === 'string' ? retryAfter : undefined, Date.now())
    throw failureOf(statusCode, parseError(statusCode, text), waitMs)
  }

  /** Closes all connections, running requests included. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy()
  }
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

function isOurs(error: unknown): boolean {
  return error instanceof ClientError || error instanceof RetryableError
}
