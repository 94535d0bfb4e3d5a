import { etagOf, type Upload } from './buckets.ts'
import { findSource, metadataOf } from './object-operations.ts'
import {
  emptyAnswer,
  S3Error,
  type S3Operation,
  type S3Request,
  type S3Scene,
  xmlAnswer
} from './s3-answer.ts'
import { textsOf } from './s3-xml.ts'

/** The least that S3 takes as a part that is not the last. */
const leastPartBytes = 5 * 2 ** 20

export const createUpload: S3Operation = ({ key, headers, bucketName }, { bucket }) => {
  const UploadId = bucket.begin(key, metadataOf(headers))
  return xmlAnswer('InitiateMultipartUploadResult', { Bucket: bucketName, Key: key, UploadId })
}

export const uploadPart: S3Operation = (request, scene) => {
  const { parts } = findUpload(request, scene)
  parts.set(Number(request.query.get('partNumber')), request.body)
  return emptyAnswer(200, { etag: etagOf(request.body) })
}

export const copyPart: S3Operation = (request, scene) => {
  const { parts } = findUpload(request, scene)
  const source = findSource(request.headers, scene)
  const [, start, last] = /(\d+)-(\d+)/.exec(String(request.headers['x-amz-copy-source-range'])) ?? []
  const body = source.body.subarray(Number(start), Number(last) + 1)
  parts.set(Number(request.query.get('partNumber')), body)
  return xmlAnswer('CopyPartResult', { ETag: etagOf(body) })
}

export const completeUpload: S3Operation = (request, scene) => {
  const upload = findUpload(request, scene)
  const xml = request.body.toString()
  const numbers = textsOf(xml, 'PartNumber').map(Number)
  if (numbers.some((number, index) => number <= (numbers[index - 1] ?? 0)))
    throw new S3Error(400, 'InvalidPartOrder')
  const etags = textsOf(xml, 'ETag')
  const bodies = numbers.map((number, index) => {
    const body = upload.parts.get(number)
    if (body === undefined || etagOf(body) !== etags[index]) throw new S3Error(400, 'InvalidPart')
    return body
  })
  if (bodies.slice(0, -1).some(({ length }) => length < leastPartBytes))
    throw new S3Error(400, 'EntityTooSmall')
  const id = request.query.get('uploadId') ?? ''
  const { etag } = scene.bucket.complete(id, upload, bodies)
  return xmlAnswer('CompleteMultipartUploadResult', { Key: request.key, ETag: etag })
}

/** Giving up what is not there is no error to MinIO; AWS answers NoSuchUpload. */
export const abortUpload: S3Operation = ({ query }, { bucket }) => {
  bucket.uploads.delete(query.get('uploadId') ?? '')
  return emptyAnswer(204)
}

function findUpload({ query, key }: S3Request, { bucket }: S3Scene): Upload {
  const upload = bucket.uploads.get(query.get('uploadId') ?? '')
  if (upload?.key !== key) throw new S3Error(404, 'NoSuchUpload')
  return upload
}
