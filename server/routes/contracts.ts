import Type from 'typebox'
import type { ErrorCode } from '../../shared/errors.ts'
import { kinds } from '../../shared/names.ts'
import { contractTable, type DescribedAnswer } from '../plugins/contract.ts'
import { DraftRequest, Sha256 } from './schemas.ts'

/** How whoever uploads is refused, whatever the request. */
const uploader = [
  'STAGE_ERR_CREDENTIAL',
  'STAGE_ERR_BAD_NAMESPACE',
  'STAGE_ERR_FORBIDDEN',
  'STAGE_ERR_IDENTITY',
  'STAGE_ERR_NO_SPACE'
] as const satisfies readonly ErrorCode[]

/** How a body is refused where none is needed. */
const needless = ['STAGE_ERR_MEDIA_TYPE', 'STAGE_ERR_TOO_LARGE'] as const satisfies readonly ErrorCode[]

/** How whoever downloads is refused. */
const downloader = [
  'STAGE_ERR_TOKEN',
  'STAGE_ERR_KEY_UNKNOWN',
  'STAGE_ERR_GONE'
] as const satisfies readonly ErrorCode[]

// Parameters and names are checked by hand, for errors that say more than a pattern; here they are only described.
const Namespace = Type.String({
  pattern: '^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$',
  description: 'Namespace, a DNS label.',
  examples: ['team-a']
})

const BundleId = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: 'Bundle id.',
  examples: ['5f1b7b496897d0fb55e0f24e9b538238']
})

const Kind = Type.Enum([...kinds], { description: 'What Spark is to do with it.' })

const FileName = Type.String({
  pattern: '^[^/\\\\\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]+$',
  minLength: 1,
  maxLength: 255,
  description: 'A plain file name of at most 255 bytes; neither . nor ..'
})

const namespace = Type.Object({ ns: Namespace })
const bundle = Type.Object({ ns: Namespace, id: BundleId })
const blob = Type.Object({ ...bundle.properties, sha256: Sha256 })
const entry = Type.Object({ ...bundle.properties, kind: Kind, file: FileName })

const Bytes = Type.String({ format: 'binary' })

const Form = Type.Object(
  Object.fromEntries(kinds.map(kind => [kind, Type.Optional(Type.Array(Bytes, { minItems: 1 }))])),
  {
    description:
      'Each part is a file: its field name is the kind, its filename the name, which may end in #alias. At least one.',
    minProperties: 1,
    additionalProperties: false
  }
)

const Draft = Type.Object(
  {
    entries: Type.Array(
      Type.Object(
        {
          ...DraftRequest.properties.entries.items.properties,
          kind: Kind,
          name: FileName,
          alias: Type.Optional(FileName)
        },
        { additionalProperties: false }
      ),
      { minItems: 1, maxItems: 10_000 }
    )
  },
  {
    additionalProperties: false,
    examples: [
      {
        entries: [
          {
            kind: 'jars',
            name: 'util.jar',
            sizeBytes: 5,
            sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824'
          }
        ]
      }
    ]
  }
)

const conditions = Type.Object({
  range: Type.Optional(Type.String({ description: 'One range of bytes (RFC 9110, section 14).' })),
  'if-range': Type.Optional(Type.String({ description: 'The ETag that the range belongs to.' })),
  'if-match': Type.Optional(Type.String({ description: 'ETags, one of which the bytes must have.' })),
  'if-none-match': Type.Optional(Type.String({ description: 'ETags, none of which the bytes may have.' }))
})

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
    parameters: namespace,
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
    headers: Type.Object({
      'idempotency-key': Type.Optional(
        Type.String({
          pattern: '^[\\x21-\\x7e]{1,255}$',
          description: 'The same key by the same principal in the same namespace is the same bundle.',
          examples: ['6f9c2f0e-6a55-4d0c-9c3b-2f6d1c7e9b11']
        })
      )
    }),
    body: { 'multipart/form-data': Form, 'application/json': Draft },
    answers: { 201: { description: 'A committed bundle with its token, or a draft and what it lacks.' } }
  },
  list: {
    operationId: 'listBundles',
    summary: 'The bundles and drafts of a namespace, by id.',
    tag: 'uploads',
    credential: 'uploadCredential',
    parameters: namespace,
    refusals: uploader,
    answers: { 200: { description: 'One page.' } }
  },
  upload: {
    operationId: 'uploadBlob',
    summary: 'Send the bytes of one digest of a draft.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'upload',
    parameters: blob,
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
    parameters: bundle,
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
    parameters: bundle,
    refusals: [...uploader, ...needless, 'STAGE_ERR_NOT_FOUND', 'STAGE_ERR_NOT_COMMITTED', 'STAGE_ERR_GONE'],
    answers: { 200: { description: 'A new token; older ones stay good.' } }
  },
  renew: {
    operationId: 'renew',
    summary: 'Give a committed bundle another full lease.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'renew',
    parameters: bundle,
    refusals: [...uploader, ...needless, 'STAGE_ERR_NOT_FOUND', 'STAGE_ERR_NOT_COMMITTED', 'STAGE_ERR_GONE'],
    answers: { 200: { description: 'The end of the lease.' } }
  },
  revoke: {
    operationId: 'revoke',
    summary: 'End a bundle or a draft now, and remove its bytes.',
    tag: 'uploads',
    credential: 'uploadCredential',
    action: 'revoke',
    parameters: bundle,
    refusals: [...uploader, ...needless, 'STAGE_ERR_NOT_FOUND'],
    answers: { 204: { description: 'Its tokens open nothing any more.' } }
  },
  read: {
    operationId: 'readManifest',
    summary: 'The manifest of a bundle.',
    tag: 'downloads',
    credential: 'downloadToken',
    action: 'read',
    parameters: bundle,
    refusals: [...downloader, 'STAGE_ERR_NOT_FOUND'],
    answers: { 200: { description: 'What the bundle holds.' } }
  },
  download: {
    operationId: 'downloadEntry',
    summary: 'The bytes of one entry, by RFC 9110.',
    tag: 'downloads',
    credential: 'downloadToken',
    action: 'download',
    parameters: entry,
    refusals: [
      ...downloader,
      'STAGE_ERR_NOT_FOUND',
      'STAGE_ERR_PRECONDITION',
      'STAGE_ERR_RANGE',
      'STAGE_ERR_BUSY'
    ],
    headers: conditions,
    answers: {
      200: entryAnswer,
      206: { ...entryAnswer, description: 'The range that was asked for.' },
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
            failed: Type.Array(Type.String({ description: 'storeWritable, keyPresent or stopping.' }))
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
