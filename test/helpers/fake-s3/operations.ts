import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { listObjects, listUploads } from './list-operations.ts'
import {
  copyObject,
  deleteObject,
  deleteObjects,
  getObject,
  headObject,
  putObject
} from './object-operations.ts'
import {
  errorAnswer,
  type S3Answer,
  S3Error,
  type S3Operation,
  type S3Request,
  type S3Scene
} from './s3-answer.ts'
import { checkSignature, type SignatureRules } from './signature.ts'
import { abortUpload, completeUpload, copyPart, createUpload, uploadPart } from './upload-operations.ts'

const operations: Readonly<Record<string, S3Operation>> = {
  PutObject: putObject,
  GetObject: getObject,
  HeadObject: headObject,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  CopyObject: copyObject,
  ListObjectsV2: listObjects,
  CreateMultipartUpload: createUpload,
  UploadPart: uploadPart,
  UploadPartCopy: copyPart,
  CompleteMultipartUpload: completeUpload,
  AbortMultipartUpload: abortUpload,
  ListMultipartUploads: listUploads
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

/** Does what a request asks for, once it has shown who asks. */
export function answerRequest(
  request: S3Request,
  scene: Omit<S3Scene, 'bucket'>,
  rules: SignatureRules
): S3Answer {
  try {
    checkSignature(request, rules)
    checkBody(request)
    const bucket = scene.buckets.get(request.bucketName)
    if (bucket === undefined) throw new S3Error(404, 'NoSuchBucket')
    const operation = operations[request.operation]
    if (operation === undefined) throw new S3Error(501, 'NotImplemented')
    return operation(request, { ...scene, bucket })
  } catch (error) {
    if (error instanceof S3Error) return errorAnswer(error)
    throw error
  }
}

/** @throws S3Error when the body is not the one that was signed */
function checkBody({ headers, body }: S3Request): void {
  const signed = String(headers['x-amz-content-sha256'])
  if (!/^[0-9a-f]{64}$/.test(signed)) return
  const found = createHash('sha256').update(body).digest('hex')
  if (found !== signed) throw new S3Error(400, 'XAmzContentSHA256Mismatch')
}
