import type { IncomingHttpHeaders } from 'node:http'
import type { StoredObject } from './buckets.ts'
import {
  emptyAnswer,
  S3Error,
  type S3Operation,
  type S3Request,
  type S3Scene,
  xmlAnswer
} from './s3-answer.ts'
import { textsOf } from './s3-xml.ts'

/** S3 deletes so many in one request. */
const mostDeletesCount = 1000

export const putObject: S3Operation = (request, scene) => {
  const { key, body, headers } = request
  if (!scene.ignoresConditions) checkConditions(request, scene)
  return emptyAnswer(200, { etag: scene.bucket.put(key, body, metadataOf(headers)).etag })
}

export const getObject: S3Operation = ({ key, headers, query }, { bucket }) => {
  const object = bucket.objects.get(key)
  if (object === undefined) throw new S3Error(404, 'NoSuchKey')
  const type = { 'content-type': query.get('response-content-type') ?? 'application/octet-stream' }
  const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  if (range === null) return { status: 200, headers: { ...headersOf(object), ...type }, body: object.body }
  const lastByte = object.body.length - 1
  const [start, last] = [Number(range[1]), Math.min(Number(range[2] || lastByte), lastByte)]
  if (start > last) throw new S3Error(416, 'InvalidRange')
  const contentRange = `bytes ${start}-${last}/${object.body.length}`
  const body = object.body.subarray(start, last + 1)
  return { status: 206, headers: { ...headersOf(object), ...type, 'content-range': contentRange }, body }
}

export const headObject: S3Operation = ({ key }, { bucket }) => {
  const object = bucket.objects.get(key)
  if (object === undefined) throw new S3Error(404, 'NoSuchKey')
  return { status: 200, headers: headersOf(object), body: object.body }
}

export const deleteObject: S3Operation = ({ key }, { bucket }) => {
  bucket.objects.delete(key)
  return emptyAnswer(204)
}

export const deleteObjects: S3Operation = ({ body }, { bucket, undeletable }) => {
  const keys = textsOf(body.toString(), 'Key')
  if (keys.length > mostDeletesCount) throw new S3Error(400, 'MalformedXML')
  for (const key of keys) if (!undeletable.has(key)) bucket.objects.delete(key)
  return xmlAnswer('DeleteResult', {
    Error: keys.filter(key => undeletable.has(key)).map(Key => ({ Key, Code: undeletable.get(Key) }))
  })
}

export const copyObject: S3Operation = ({ key, headers }, scene) => {
  const source = findSource(headers, scene)
  return xmlAnswer('CopyObjectResult', { ETag: scene.bucket.put(key, source.body, source.metadata).etag })
}

/** What a copy is of. */
export function findSource(headers: IncomingHttpHeaders, { buckets }: S3Scene): StoredObject {
  const [bucketName = '', ...path] = decodeURIComponent(String(headers['x-amz-copy-source'])).split('/')
  const source = buckets.get(bucketName)?.objects.get(path.join('/'))
  if (source === undefined) throw new S3Error(404, 'NoSuchKey')
  return source
}

export function metadataOf(headers: IncomingHttpHeaders): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.startsWith('x-amz-meta-') ? [[name, String(value)]] : []
    )
  )
}

function checkConditions({ key, headers }: S3Request, { bucket }: S3Scene): void {
  const current = bucket.objects.get(key)
  const { 'if-none-match': ifNone, 'if-match': ifMatch } = headers
  if (ifNone === '*' && current !== undefined) throw new S3Error(412, 'PreconditionFailed')
  if (ifMatch === undefined) return
  if (current === undefined) throw new S3Error(404, 'NoSuchKey')
  if (current.etag !== ifMatch) throw new S3Error(412, 'PreconditionFailed')
}

function headersOf({ etag, metadata }: StoredObject): Readonly<Record<string, string>> {
  return { etag, 'accept-ranges': 'bytes', ...metadata }
}
