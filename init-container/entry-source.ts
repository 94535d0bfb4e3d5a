import { getCACertificates } from 'node:tls'
import type { Dispatcher } from 'undici'
import type { StagedFile } from '../shared/manifest.ts'
import { entryPath } from '../shared/paths.ts'
import { KiB } from '../shared/units.ts'
import type { FetchOptions, Report } from './fetch-bundle.ts'
import { codeOf, TransientError } from './fetch-error.ts'
import { type Answer, type HttpClient, openDispatcher } from './http-client.ts'

/** Bytes of an entry, and who sends them. */
export type EntryAnswer = Answer & {
  /** Host and port of the bucket; undefined for the server itself. */
  readonly bucket?: string
}

type Headers = Readonly<Record<string, string>>

/**
 * Where the bytes of entries come from: the server, or a bucket that it names, each time anew, by a URL that is a secret
 * and opens these bytes for a while. The bucket is sent a range and nothing else: no token, no tag of the server's. As
 * soon as it cannot be used, the server is asked for the bytes themselves, from then on for the whole fetch.
 */
export class EntrySource implements AsyncDisposable {
  readonly #options: FetchOptions
  readonly #report: Pick<Report, 'event'>
  readonly #client: HttpClient
  #bucket: Promise<Dispatcher> | undefined
  #isBucketAvoided = false

  constructor(options: FetchOptions, report: Pick<Report, 'event'>, client: HttpClient) {
    this.#options = options
    this.#report = report
    this.#client = client
  }

  /**
   * One attempt at the bytes of a file from `fromBytes` on, as long as they have its digest.
   *
   * @returns an answer of any status that {@link HttpClient.get} lets through
   * @throws as {@link HttpClient.get}
   */
  async ask(
    { path, sha256 }: Pick<StagedFile, 'path' | 'sha256'>,
    fromBytes: number,
    signal: AbortSignal
  ): Promise<EntryAnswer> {
    const { namespace, bundleId } = this.#options
    const range: Headers = fromBytes > 0 ? { range: `bytes=${fromBytes}-` } : {}
    const headers = { 'if-match': `"${sha256}"`, ...range }
    const url = entryPath(namespace, bundleId, path)
    if (!this.#isBucketAvoided) {
      const answer = await this.#client.get(path, url, headers, signal, 307)
      if (answer.statusCode !== 307) return answer
      await answer.body.dump({ limit: 16 * KiB, signal })
      const redirected = await this.#follow(path, answer.headers['location'], range, signal)
      if (redirected !== undefined) return redirected
    }
    return this.#client.get(path, url, { ...headers, 'x-spark-stage-redirect': 'no' }, signal)
  }

  /** Has the server send all bytes itself from now on. @param found why; told once, however many find out */
  avoidBucket(file: string, bucket: string, found: string): void {
    if (this.#isBucketAvoided) return
    this.#isBucketAvoided = true
    const expected = `bytes from ${bucket}`
    this.#report.event('warn', 'bucket cannot be used, asking the server itself', { file, expected, found })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#bucket)?.destroy()
  }

  /** @returns undefined when the bucket cannot be used */
  async #follow(
    path: string,
    location: string | readonly string[] | undefined,
    range: Headers,
    signal: AbortSignal
  ): Promise<EntryAnswer | undefined> {
    const url = URL.parse(String(location))
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && !this.#isTls())
    if (url === null || !isSafe || url.username + url.password !== '') {
      this.avoidBucket(
        path,
        url?.host || 'a bucket',
        `a URL that is not ${this.#isTls() ? 'https' : 'http(s)'}`
      )
      return undefined
    }
    try {
      return await this.#askBucket(path, url, range, signal)
    } catch (error) {
      signal.throwIfAborted()
      // A boundary: nothing but Errors comes from the network. No message of theirs has more than host and port.
      const found =
        error instanceof TransientError
          ? error.failure.found
          : `${codeOf(error)} (${(error as Error).message})`
      this.avoidBucket(path, url.host, found)
      return undefined
    }
  }

  /** What the bucket answers beside the bytes is not shown: it may repeat the URL. */
  async #askBucket(path: string, url: URL, range: Headers, signal: AbortSignal): Promise<EntryAnswer> {
    this.#bucket ??= this.#openBucket(url)
    const dispatcher = await this.#bucket
    const answer = await dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { ...range, 'accept-encoding': 'identity' },
      signal
    })
    // As in HttpClient: whoever reads the body is told.
    answer.body.on('error', () => {})
    const { statusCode, headers, body } = answer
    if (statusCode === 200 || statusCode === 206) return { statusCode, headers, body, bucket: url.host }
    body.destroy()
    throw new TransientError({
      exit: 'gaveUp',
      subject: path,
      expected: 'status 200',
      found: `status ${statusCode}`
    })
  }

  /** A bucket may be one of the public, and the server's authorities one's own: both are good for it. */
  #openBucket({ protocol }: URL): Promise<Dispatcher> {
    const { proxy, stallMs } = this.#options
    const { ca: own } = this.#client
    const ca = own === undefined ? undefined : [...getCACertificates(), own]
    return openDispatcher({ ca, stallMs, proxy: protocol === 'https:' ? proxy : undefined })
  }

  #isTls(): boolean {
    return this.#options.server.protocol === 'https:'
  }
}
