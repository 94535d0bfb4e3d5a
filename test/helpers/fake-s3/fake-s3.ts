import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { Bucket } from './buckets.ts'
import { answerRequest, operationOf } from './operations.ts'
import { errorAnswer, type S3Answer, S3Error, type S3Request } from './s3-answer.ts'

/** What goes wrong with one request. */
export type Fault =
  /** It is answered so, and nothing is done. */
  | { readonly status: number; readonly code: string }
  /** The connection ends, and nothing is done. */
  | 'drop'
  /** It is done, and the connection ends without an answer. */
  | 'lose'
  /** The connection ends, and it is done only when the test says so. */
  | 'late'
  /** Half of the answer's body comes, then the connection ends. */
  | 'cut'
  /** No answer comes until the test ends. */
  | 'hang'

/** A request that came. */
export interface SeenRequest {
  /** As the SDK's command is called: `PutObject`. */
  readonly operation: string
  readonly key: string
  readonly headers: IncomingMessage['headers']
  readonly bodyBytes: number
}

export interface FakeOptions {
  /** At most so many names a page. */
  readonly pageCount?: number
  /** Whether unfinished uploads are listed by any prefix, as AWS does; MinIO does for whole keys only. */
  readonly listsUploadsByPrefix?: boolean
  readonly ignoresConditions?: boolean
  /** Its clock, in milliseconds since the epoch: what its `Date` says, and what signatures are dated by. */
  readonly now?: () => number
}

/** The only region and the only credentials that it takes. */
export const fakeRegion = 'us-east-1'
export const fakeCredentials = { accessKeyId: 'key', secretAccessKey: 'secret' }

/** As much of S3 as the driver uses, in memory, with faults to order; `test/contract/s3-probes.ts` holds it to the real one. */
export class FakeS3 {
  readonly requests: SeenRequest[] = []
  /** Told of each request before it is answered. */
  onRequest: ((request: SeenRequest) => void) | undefined
  readonly buckets = new Map<string, Bucket>()
  readonly #server: Server
  readonly #options: FakeOptions
  readonly #faults: { readonly operation: string; readonly fault: Fault; times: number }[] = []
  readonly #late: (() => void)[] = []
  readonly #undeletable = new Map<string, string>()

  private constructor(options: FakeOptions) {
    this.#options = options
    this.#server = createServer((request, response) => {
      // A boundary: a connection that breaks is the test's own doing.
      this.#serve(request, response).catch(() => response.destroy())
    })
  }

  static async start(options: FakeOptions = {}): Promise<FakeS3> {
    const fake = new FakeS3(options)
    fake.#server.listen(0, '127.0.0.1')
    await once(fake.#server, 'listening')
    return fake
  }

  get endpoint(): string {
    // A boundary: a server on a port has an address of this form.
    const { port } = this.#server.address() as { port: number }
    return `http://127.0.0.1:${port}`
  }

  makeBucket(name: string): Bucket {
    const bucket = new Bucket()
    this.buckets.set(name, bucket)
    return bucket
  }

  /** The next requests of an operation go wrong. */
  fail(operation: string, fault: Fault, times = 1): void {
    this.#faults.push({ operation, fault, times })
  }

  /** A key that DeleteObjects does not delete, with the code that it says. */
  failDelete(key: string, code: string): void {
    this.#undeletable.set(key, code)
  }

  /** Nothing more goes wrong. */
  clearFaults(): void {
    this.#faults.length = 0
  }

  /** What was to be done late is done now. */
  doLate(): void {
    for (const task of this.#late.splice(0)) task()
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', 'http://fake')
    const [, bucketName = '', ...path] = url.pathname.split('/')
    const key = decodeURIComponent(path.join('/'))
    const method = message.method ?? ''
    const operation = operationOf(method, key, url.searchParams, message.headers)
    const body = await buffer(message)
    const request: S3Request = {
      operation,
      method,
      path: url.pathname,
      key,
      query: url.searchParams,
      headers: message.headers,
      body,
      bucketName
    }
    const seen = { operation, key, headers: message.headers, bodyBytes: body.length }
    this.requests.push(seen)
    this.onRequest?.(seen)
    const fault = this.#takeFault(operation)
    if (fault === 'hang') return
    if (fault === 'late') this.#late.push(() => void this.#answer(request))
    if (fault === 'lose') this.#answer(request)
    if (fault === 'drop' || fault === 'late' || fault === 'lose') {
      response.destroy()
      return
    }
    const answer =
      typeof fault === 'object' ? errorAnswer(new S3Error(fault.status, fault.code)) : this.#answer(request)
    this.#send(response, method, answer, fault === 'cut')
  }

  #answer(request: S3Request): S3Answer {
    const { pageCount = 1000, listsUploadsByPrefix = false, ignoresConditions = false } = this.#options
    return answerRequest(
      request,
      {
        buckets: this.buckets,
        undeletable: this.#undeletable,
        pageCount,
        listsUploadsByPrefix,
        ignoresConditions
      },
      { ...fakeCredentials, region: fakeRegion, nowMs: this.#nowMs }
    )
  }

  get #nowMs(): number {
    return this.#options.now?.() ?? Date.now()
  }

  #takeFault(operation: string): Fault | undefined {
    const found = this.#faults.find(fault => fault.operation === operation && fault.times > 0)
    if (found === undefined) return undefined
    found.times -= 1
    return found.fault
  }

  #send(response: ServerResponse, method: string, { status, headers, body }: S3Answer, isCut: boolean): void {
    const date = new Date(this.#nowMs).toUTCString()
    const length = status === 204 ? {} : { 'content-length': body.length }
    response.writeHead(status, { date, ...length, ...headers })
    if (isCut) {
      response.write(body.subarray(0, body.length / 2), () => response.destroy())
      return
    }
    // What HEAD refuses has no body, and so no code.
    response.end(method === 'HEAD' ? undefined : body)
  }
}
