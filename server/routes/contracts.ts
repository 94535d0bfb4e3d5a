import Type from 'typebox'
import type { ErrorCode } from '../../shared/errors.ts'
import { contractTable, type DescribedAnswer } from '../plugins/contract.ts'
import {
  BlobPath,
  BundlePath,
  Bytes,
  Conditions,
  Draft,
  EntryPath,
  Form,
  Idempotency,
  NamespacePath
} from './contract-schemas.ts'

/** How whoever uploads is refused, whatever the request. */
const uploader = [
  'STAGE_ERR_CREDENTIAL',
  'STAGE_ERR_BAD_NAMESPACE',
  'STAGE_ERR_FORBIDDEN',
  'STAGE_ERR_IDENTITY',
  'STAGE_ERR_NO_SPACE',
  'STAGE_ERR_STORE_UNAVAILABLE'
] as const satisfies readonly ErrorCode[]

/** How a body is refused where none is needed. */
const needless = ['STAGE_ERR_MEDIA_TYPE', 'STAGE_ERR_TOO_LARGE'] as const satisfies readonly ErrorCode[]

/** How whoever downloads is refused. */
const downloader = [
  'STAGE_ERR_TOKEN',
  'STAGE_ERR_KEY_UNKNOWN',
  'STAGE_ERR_GONE',
  'STAGE_ERR_STORE_UNAVAILABLE'
] as const satisfies readonly ErrorCode[]

const entryAnswer: DescribedAnswer = {
  description: 'The bytes of the entry.',
  headers: {
    etag: Type.String({ description: 'Their SHA-256, quoted: a strong entity tag.' }),
    'accept-ranges': Type.String({ description: 'Always bytes.' })
  },
  content: { 'application/octet-stream': Bytes }
}

/** What each route of `/api/v1` and of the operators promises. */
export const contracts = contractTable({
  stage: {
    operationId: 'stage',
    summary: 'Stage files: all at once as multipart/form-data, or declare a draft as application/json.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'stage',
    parameters: NamespacePath,
    refusals: [
      ...uploader,
      ...needless,
      'STAGE_ERR_BAD_KIND',
      'STAGE_ERR_BAD_NAME',
      'STAGE_ERR_BAD_ALIAS',
      'STAGE_ERR_BAD_IDEMPOTENCY_KEY',
      'STAGE_ERR_NO_PARTS',
      'STAGE_ERR_SAME_NAME',
      'STAGE_ERR_SIZE',
      'STAGE_ERR_NOT_FOUND',
      'STAGE_ERR_UPLOAD_RUNNING',
      'STAGE_ERR_KEY_REUSED',
      'STAGE_ERR_GONE',
      'STAGE_ERR_TOO_MANY_ENTRIES',
      'STAGE_ERR_STOPPING',
      'STAGE_ERR_QUOTA'
    ],
    headers: Idempotency,
    body: { 'multipart/form-data': Form, 'application/json': Draft },
    answers: { 201: { description: 'A committed bundle with its token, or a draft and what it lacks.' } }
  },
  list: {
    operationId: 'listBundles',
    summary: 'The bundles and drafts of a namespace, by id.',
    tag: 'uploads',
    credential: 'uploadCredential',
    parameters: NamespacePath,
    refusals: uploader,
    answers: { 200: { description: 'One page.' } }
  },
  upload: {
    operationId: 'uploadBlob',
    summary: 'Send the bytes of one digest of a draft.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'upload',
    parameters: BlobPath,
    refusals: [
      ...uploader,
      'STAGE_ERR_NOT_FOUND',
      'STAGE_ERR_UNKNOWN_BLOB',
      'STAGE_ERR_UPLOAD_RUNNING',
      'STAGE_ERR_COMMITTED',
      'STAGE_ERR_GONE',
      'STAGE_ERR_TOO_LARGE',
      'STAGE_ERR_DIGEST',
      'STAGE_ERR_SIZE',
      'STAGE_ERR_STOPPING',
      'STAGE_ERR_QUOTA'
    ],
    body: { 'application/octet-stream': Bytes },
    answers: { 201: { description: 'They are stored.' } }
  },
  commit: {
    operationId: 'commit',
    summary: 'Make a complete draft a bundle. It may be repeated.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'commit',
    parameters: BundlePath,
    refusals: [
      ...uploader,
      ...needless,
      'STAGE_ERR_NOT_FOUND',
      'STAGE_ERR_INCOMPLETE',
      'STAGE_ERR_UPLOAD_RUNNING',
      'STAGE_ERR_GONE',
      'STAGE_ERR_QUOTA'
    ],
    answers: { 200: { description: 'The bundle is committed.' } }
  },
  sign: {
    operationId: 'signToken',
    summary: 'Have the download token of a committed bundle signed again.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'sign',
    parameters: BundlePath,
    refusals: [...uploader, ...needless, 'STAGE_ERR_NOT_FOUND', 'STAGE_ERR_NOT_COMMITTED', 'STAGE_ERR_GONE'],
    answers: { 200: { description: 'A new token; older ones stay good.' } }
  },
  renew: {
    operationId: 'renew',
    summary: 'Give a committed bundle another full lease.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'renew',
    parameters: BundlePath,
    refusals: [...uploader, ...needless, 'STAGE_ERR_NOT_FOUND', 'STAGE_ERR_NOT_COMMITTED', 'STAGE_ERR_GONE'],
    answers: { 200: { description: 'The end of the lease.' } }
  },
  revoke: {
    operationId: 'revoke',
    summary: 'End a bundle or a draft now, and remove its bytes.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'revoke',
    parameters: BundlePath,
    refusals: [...uploader, ...needless, 'STAGE_ERR_NOT_FOUND'],
    answers: { 204: { description: 'Its tokens open nothing any more.' } }
  },
  read: {
    operationId: 'readManifest',
    summary: 'The manifest of a bundle.',
    tag: 'downloads',
    credential: 'downloadToken',
    action: 'read',
    parameters: BundlePath,
    refusals: [...downloader, 'STAGE_ERR_NOT_FOUND'],
    answers: { 200: { description: 'What the bundle holds.' } }
  },
  download: {
    operationId: 'downloadEntry',
    summary: 'The bytes of one entry, by RFC 9110.',
    tag: 'downloads',
    credential: 'downloadToken',
    action: 'download',
    parameters: EntryPath,
    refusals: [
      ...downloader,
      'STAGE_ERR_NOT_FOUND',
      'STAGE_ERR_PRECONDITION',
      'STAGE_ERR_RANGE',
      'STAGE_ERR_BUSY'
    ],
    headers: Conditions,
    answers: {
      200: entryAnswer,
      206: { ...entryAnswer, description: 'The range that was asked for.' },
      307: {
        description: 'The same bytes lie in a bucket, only with SPARK_STAGE_S3_REDIRECT.',
        headers: {
          location: Type.String({
            description: 'Opens these bytes for 120 seconds, without a token: a secret.'
          })
        }
      },
      304: { description: 'The client has these bytes.' }
    }
  },
  live: {
    operationId: 'live',
    summary: 'Whether the process serves.',
    tag: 'operations',
    refusals: [],
    answers: { 200: { description: 'It does.' } }
  },
  ready: {
    operationId: 'ready',
    summary: 'Whether the server can take and give files.',
    tag: 'operations',
    refusals: [],
    answers: {
      200: { description: 'It can.' },
      503: {
        description: 'It cannot.',
        content: {
          'application/json': Type.Object({
            status: Type.Literal('not ready'),
            failed: Type.Array(Type.String({ description: 'storeWritable, keyPresent or stopping.' })),
            todo: Type.Optional(
              Type.Array(
                Type.String({ description: 'What the operator can do about it, where that is known.' })
              )
            )
          })
        }
      }
    }
  },
  metrics: {
    operationId: 'metrics',
    summary: 'Figures for Prometheus; docs/metrics.md has the list.',
    tag: 'operations',
    refusals: [],
    answers: {
      200: { description: 'The text exposition format.', content: { 'text/plain': Type.String() } }
    }
  },
  openapi: {
    operationId: 'openapi',
    summary: 'This document.',
    tag: 'operations',
    refusals: [],
    answers: {
      200: { description: 'OpenAPI 3.1.', content: { 'application/json': Type.Object({}) } }
    }
  }
})
