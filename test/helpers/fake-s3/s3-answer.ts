import type { IncomingHttpHeaders } from 'node:http'
import type { Bucket } from './buckets.ts'
import { toXml, type XmlElements } from './s3-xml.ts'

/** A request, as far as S3 looks at it. */
export interface S3Request {
  readonly operation: string
  readonly method: string
  /** As it was sent. */
  readonly path: string
  readonly bucketName: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface S3Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** What an operation works on. */
export interface S3Scene {
  /** That of the request. */
  readonly bucket: Bucket
  readonly buckets: ReadonlyMap<string, Bucket>
  /** At most so many names a page. */
  readonly pageCount: number
  readonly listsUploadsByPrefix: boolean
  readonly ignoresConditions: boolean
  /** Keys that DeleteObjects does not delete, with the code that it says. */
  readonly undeletable: ReadonlyMap<string, string>
}

/** What one operation does. @throws S3Error */
export type S3Operation = (request: S3Request, scene: S3Scene) => S3Answer

/** What S3 refuses with. */
export class S3Error extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string) {
    super(messages[code] ?? code)
    this.status = status
    this.code = code
  }
}

const messages: Readonly<Record<string, string>> = {
  NoSuchKey: 'The specified key does not exist.',
  NoSuchBucket: 'The specified bucket does not exist',
  PreconditionFailed: 'At least one of the pre-conditions you specified did not hold',
  SlowDown: 'Please reduce your request rate'
}

export function errorAnswer({ status, code, message }: S3Error): S3Answer {
  return xmlAnswer('Error', { Code: code, Message: message }, status)
}

export function xmlAnswer(root: string, elements: XmlElements, status = 200): S3Answer {
  const body = Buffer.from(toXml(root, elements))
  return { status, headers: { 'content-type': 'application/xml' }, body }
}

export function emptyAnswer(status = 200, headers: Readonly<Record<string, string>> = {}): S3Answer {
  return { status, headers, body: Buffer.alloc(0) }
}
