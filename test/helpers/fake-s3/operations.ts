import type { IncomingHttpHeaders } from 'node:http'
import type { Bucket, StoredObject } from './buckets.ts'
import { md5 } from './buckets.ts'
import type { FakeOptions } from './fake-s3.ts'
import { textsOf, toXml, type XmlElements } from './s3-xml.ts'

/** A request, as far as S3 looks at it. */
export interface S3Request {
  readonly operation: string
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

/** The least that S3 takes as a part that is not the last. */
const leastPartBytes = 5 * 2 ** 20

const messages: Readonly<Record<string, string>> = {
  NoSuchKey: 'The specified key does not exist.',
  NoSuchBucket: 'The specified bucket does not exist',
  PreconditionFailed: 'At least one of the pre-conditions you specified did not hold',
  SlowDown: 'Please reduce your request rate'
}

/** What the SDK calls a request. */
export function operationOf(
  method: string,
  key: string,
  query: URLSearchParams,
  headers: IncomingHttpHeaders
): string {
  const isCopy = headers['x-amz-copy-source'] !== undefined
  if (key === '') {
    if (method === 'PUT') return 'CreateBucket'
    if (query.has('delete')) return 'DeleteObjects'
    return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2'
  }
  if (query.has('uploads')) return 'CreateMultipartUpload'
  if (query.has('uploadId')) {
    if (method === 'PUT') return isCopy ? 'UploadPartCopy' : 'UploadPart'
    return method === 'POST' ? 'CompleteMultipartUpload' : 'AbortMultipartUpload'
  }
  if (method === 'PUT') return isCopy ? 'CopyObject' : 'PutObject'
  const names: Readonly<Record<string, string>> = {
    GET: 'GetObject',
    HEAD: 'HeadObject',
    DELETE: 'DeleteObject'
  }
  return names[method] ?? method
}

/** Does what a request asks for. */
export function answerRequest(
  buckets: Map<string, Bucket>,
  request: S3Request,
  options: FakeOptions,
  undeletable: ReadonlyMap<string, string>
): S3Answer {
  const refusal = refuseCredential(request, options)
  if (refusal !== undefined) return refusal
  const bucket = buckets.get(request.bucketName)
  if (bucket === undefined) return errorAnswer(404, 'NoSuchBucket')
  return (
    operations[request.operation]?.(bucket, request, options, buckets, undeletable) ??
    errorAnswer(501, 'NotImplemented')
  )
}

export function errorAnswer(status: number, code: string): S3Answer {
  return xml('Error', { Code: code, Message: messages[code] ?? code }, status)
}

type Operation = (
  bucket: Bucket,
  request: S3Request,
  options: FakeOptions,
  buckets: Map<string, Bucket>,
  undeletable: ReadonlyMap<string, string>
) => S3Answer

const operations: Readonly<Record<string, Operation>> = {
  PutObject: (bucket, { key, body, headers }, { ignoresConditions }) => {
    const current = bucket.objects.get(key)
    const { 'if-none-match': ifNone, 'if-match': ifMatch } = headers
    if (ignoresConditions !== true) {
      if (ifNone === '*' && current !== undefined) return errorAnswer(412, 'PreconditionFailed')
      if (ifMatch !== undefined && current === undefined) return errorAnswer(404, 'NoSuchKey')
      if (ifMatch !== undefined && current?.etag !== ifMatch) return errorAnswer(412, 'PreconditionFailed')
    }
    return empty({ etag: bucket.put(key, body, metadataOf(headers)).etag })
  },
  GetObject: (bucket, { key, headers, query }) => {
    const object = bucket.objects.get(key)
    if (object === undefined) return errorAnswer(404, 'NoSuchKey')
    const type = { 'content-type': query.get('response-content-type') ?? 'application/octet-stream' }
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')
    if (range === null) return { status: 200, headers: { ...headersOf(object), ...type }, body: object.body }
    const [start, last] = [Number(range[1]), Math.min(Number(range[2]), object.body.length - 1)]
    if (start > last) return errorAnswer(416, 'InvalidRange')
    const contentRange = `bytes ${start}-${last}/${object.body.length}`
    const body = object.body.subarray(start, last + 1)
    return { status: 206, headers: { ...headersOf(object), ...type, 'content-range': contentRange }, body }
  },
  HeadObject: (bucket, { key }) => {
    const object = bucket.objects.get(key)
    if (object === undefined) return { ...empty(), status: 404 }
    return { status: 200, headers: headersOf(object), body: object.body }
  },
  DeleteObject: (bucket, { key }) => {
    bucket.objects.delete(key)
    return { ...empty(), status: 204 }
  },
  DeleteObjects: (bucket, { body }, _options, _buckets, undeletable) => {
    const keys = textsOf(body.toString(), 'Key')
    for (const key of keys) if (!undeletable.has(key)) bucket.objects.delete(key)
    return xml('DeleteResult', {
      Error: keys.filter(key => undeletable.has(key)).map(Key => ({ Key, Code: undeletable.get(Key) }))
    })
  },
  CopyObject: (bucket, { key, headers }, _options, buckets) => {
    const source = sourceOf(headers, buckets)
    if (source === undefined) return errorAnswer(404, 'NoSuchKey')
    return xml('CopyObjectResult', { ETag: bucket.put(key, source.body, source.metadata).etag })
  },
  ListObjectsV2: (bucket, { query, bucketName }, { pageCount = 1000 }) => {
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
    const limit = Math.min(Number(query.get('max-keys') ?? 1000), pageCount)
    const names = namesBelow(bucket.objects.keys(), prefix, query.get('delimiter') ?? '')
    const rest = names.filter(name => name > after && !(after.startsWith(name) && name.endsWith('/')))
    const page = rest.slice(0, limit)
    const isFolder = (name: string) => !bucket.objects.has(name)
    return xml('ListBucketResult', {
      Name: bucketName,
      Prefix: prefix,
      KeyCount: page.length,
      MaxKeys: limit,
      IsTruncated: rest.length > limit,
      NextContinuationToken: rest.length > limit ? page.at(-1) : undefined,
      Contents: page
        .filter(name => !isFolder(name))
        .map(Key => ({
          Key,
          Size: bucket.objects.get(Key)?.body.length,
          ETag: bucket.objects.get(Key)?.etag
        })),
      CommonPrefixes: page.filter(isFolder).map(Prefix => ({ Prefix }))
    })
  },
  CreateMultipartUpload: (bucket, { key, headers, bucketName }) => {
    const UploadId = bucket.begin(key, metadataOf(headers))
    return xml('InitiateMultipartUploadResult', { Bucket: bucketName, Key: key, UploadId })
  },
  UploadPart: (bucket, request) => {
    const parts = partsOf(bucket, request)
    if (parts === undefined) return errorAnswer(404, 'NoSuchUpload')
    parts.set(Number(request.query.get('partNumber')), request.body)
    return empty({ etag: `"${md5(request.body)}"` })
  },
  UploadPartCopy: (bucket, request, _options, buckets) => {
    const parts = partsOf(bucket, request)
    if (parts === undefined) return errorAnswer(404, 'NoSuchUpload')
    const source = sourceOf(request.headers, buckets)
    if (source === undefined) return errorAnswer(404, 'NoSuchKey')
    const [, start, last] = /(\d+)-(\d+)/.exec(String(request.headers['x-amz-copy-source-range'])) ?? []
    const body = source.body.subarray(Number(start), Number(last) + 1)
    parts.set(Number(request.query.get('partNumber')), body)
    return xml('CopyPartResult', { ETag: `"${md5(body)}"` })
  },
  CompleteMultipartUpload: (bucket, request) => {
    const parts = partsOf(bucket, request)
    if (parts === undefined) return errorAnswer(404, 'NoSuchUpload')
    const etags = textsOf(request.body.toString(), 'ETag')
    const isTooSmall = [...parts].some(
      ([number, { length }]) => number < etags.length && length < leastPartBytes
    )
    if (isTooSmall) return errorAnswer(400, 'EntityTooSmall')
    const object = bucket.complete(request.query.get('uploadId') ?? '', etags)
    if (object === undefined) return errorAnswer(400, 'InvalidPart')
    return xml('CompleteMultipartUploadResult', { Key: request.key, ETag: object.etag })
  },
  AbortMultipartUpload: (bucket, { query }) => {
    bucket.uploads.delete(query.get('uploadId') ?? '')
    return { ...empty(), status: 204 }
  },
  ListMultipartUploads: (bucket, { query }, { pageCount = 1000, listsUploadsByPrefix = false }) => {
    const prefix = query.get('prefix') ?? ''
    const isMeant = (key: string) =>
      prefix === '' || (listsUploadsByPrefix ? key.startsWith(prefix) : key === prefix)
    const after = `${query.get('key-marker') ?? ''} ${query.get('upload-id-marker') ?? ''}`
    const rest = [...bucket.uploads]
      .map(([UploadId, { key: Key }]) => ({ Key, UploadId }))
      .filter(({ Key }) => isMeant(Key))
      .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
      .filter(upload => nameOf(upload) > after)
    const page = rest.slice(0, pageCount)
    const isTruncated = rest.length > pageCount
    return xml('ListMultipartUploadsResult', {
      Prefix: prefix,
      IsTruncated: isTruncated,
      NextKeyMarker: isTruncated ? page.at(-1)?.Key : undefined,
      NextUploadIdMarker: isTruncated ? page.at(-1)?.UploadId : undefined,
      Upload: page
    })
  }
}

function refuseCredential(
  { headers, query }: S3Request,
  { region, accessKeyId }: FakeOptions
): S3Answer | undefined {
  const scope = /Credential=([^,\s]+)/.exec(headers.authorization ?? '')?.[1] ?? query.get('X-Amz-Credential')
  if (scope === null || scope === undefined) return errorAnswer(403, 'AccessDenied')
  const [keyId, , givenRegion] = scope.split('/')
  if (accessKeyId !== undefined && keyId !== accessKeyId) return errorAnswer(403, 'InvalidAccessKeyId')
  if (region !== undefined && givenRegion !== region) return errorAnswer(400, 'AuthorizationHeaderMalformed')
  return undefined
}

function partsOf(bucket: Bucket, { query, key }: S3Request): Map<number, Buffer> | undefined {
  const upload = bucket.uploads.get(query.get('uploadId') ?? '')
  return upload?.key === key ? upload.parts : undefined
}

function sourceOf(headers: IncomingHttpHeaders, buckets: Map<string, Bucket>): StoredObject | undefined {
  const [bucketName = '', ...path] = decodeURIComponent(String(headers['x-amz-copy-source'])).split('/')
  return buckets.get(bucketName)?.objects.get(path.join('/'))
}

/** All keys below a prefix, those with a delimiter after it cut there; sorted, once each. */
function namesBelow(keys: Iterable<string>, prefix: string, delimiter: string): readonly string[] {
  const names = new Set<string>()
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    names.add(end < 0 ? key : key.slice(0, end + 1))
  }
  return [...names].sort()
}

function metadataOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('x-amz-meta-') ? [[name, String(value)]] : []
    )
  )
}

function headersOf({ etag, metadata }: StoredObject): Readonly<Record<string, string>> {
  return { etag, 'accept-ranges': 'bytes', ...metadata }
}

function nameOf({ Key, UploadId }: { readonly Key: string; readonly UploadId: string }): string {
  return `${Key} ${UploadId}`
}

function empty(headers: Readonly<Record<string, string>> = {}): S3Answer {
  return { status: 200, headers, body: Buffer.alloc(0) }
}

function xml(root: string, elements: XmlElements, status = 200): S3Answer {
  return { status, headers: { 'content-type': 'application/xml' }, body: Buffer.from(toXml(root, elements)) }
}
