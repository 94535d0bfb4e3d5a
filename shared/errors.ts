/** One row of the error table: the HTTP status, what happened in a sentence, and what the caller can do about it. */
export interface ErrorRow {
  readonly status: number
  readonly sentence: string
  readonly todo: string
}

/** Every code this service answers with. `docs/errors.md` is held equal to this table by a test. */
export const errorTable = {
  STAGE_ERR_BAD_REQUEST: {
    status: 400,
    sentence: 'The request does not have the expected form',
    todo: 'Compare the request with docs/protocol.md and send it again.'
  },
  STAGE_ERR_BAD_KIND: {
    status: 400,
    sentence: 'Unknown kind of entry',
    todo: 'Name each multipart part, or the "kind" of each entry, after one of the expected kinds.'
  },
  STAGE_ERR_BAD_NAME: {
    status: 400,
    sentence: 'The name of an entry is not a plain file name',
    todo: 'Send the base name of the file only, as valid UTF-8.'
  },
  STAGE_ERR_BAD_ALIAS: {
    status: 400,
    sentence: 'The alias of an entry (what follows #) is not a plain file name',
    todo: 'Use a plain name after #, without a path.'
  },
  STAGE_ERR_BAD_NAMESPACE: {
    status: 400,
    sentence: 'The namespace is not a DNS label',
    todo: 'Use the name of a Kubernetes namespace.'
  },
  STAGE_ERR_BAD_IDEMPOTENCY_KEY: {
    status: 400,
    sentence: 'The Idempotency-Key header cannot be used',
    todo: 'Send 1 to 255 printable ASCII characters, for example a UUID.'
  },
  STAGE_ERR_NO_PARTS: {
    status: 400,
    sentence: 'The request stages no file',
    todo: "Send at least one file, for example: curl -F 'files=@conf.json' ..."
  },
  STAGE_ERR_SAME_NAME: {
    status: 400,
    sentence: 'Two different files would have the same name in the application',
    todo: 'Rename one of them, or give one an alias with #.'
  },
  STAGE_ERR_CREDENTIAL: {
    status: 401,
    sentence: 'The upload credential is missing or not known to this server',
    todo: 'Send "Authorization: Bearer <upload credential>" with a credential that this server knows.'
  },
  STAGE_ERR_TOKEN: {
    status: 401,
    sentence: 'No valid download token for this bundle',
    todo: 'Send "Authorization: Bearer <download token>" with the token that was given for exactly this bundle.'
  },
  STAGE_ERR_FORBIDDEN: {
    status: 403,
    sentence: 'The upload credential may not use this namespace',
    todo: 'Use a namespace of the credential, or ask for the right that is missing there.'
  },
  STAGE_ERR_FOREIGN_SITE: {
    status: 403,
    sentence: 'The request comes from a web page or under a foreign host name',
    todo: 'Address the server by its loopback address and send no Origin header.'
  },
  STAGE_ERR_NOT_FOUND: {
    status: 404,
    sentence: 'There is nothing here',
    todo: 'Check the method and the path against docs/protocol.md, and the namespace and the id.'
  },
  STAGE_ERR_UNKNOWN_BLOB: {
    status: 404,
    sentence: 'The draft names no entry with this digest',
    todo: 'Upload only the digests that the draft answered as missing.'
  },
  STAGE_ERR_INCOMPLETE: {
    status: 409,
    sentence: 'The draft still misses blobs',
    todo: 'Upload the digests listed in "missing", then commit again.'
  },
  STAGE_ERR_UPLOAD_RUNNING: {
    status: 409,
    sentence: 'An upload with this Idempotency-Key is still running',
    todo: 'Wait for the time in Retry-After, then ask again with the same key.'
  },
  STAGE_ERR_COMMITTED: {
    status: 409,
    sentence: 'The bundle is committed and cannot change any more',
    todo: 'Stage the files as a new bundle.'
  },
  STAGE_ERR_NOT_COMMITTED: {
    status: 409,
    sentence: 'The bundle is still a draft',
    todo: 'Commit it first.'
  },
  STAGE_ERR_GONE: {
    status: 410,
    sentence: 'The bundle is gone',
    todo: 'Stage the files again as a new bundle.'
  },
  STAGE_ERR_PRECONDITION: {
    status: 412,
    sentence: 'The entry does not have the digest that If-Match asks for',
    todo: 'Read the manifest again and start the download anew.'
  },
  STAGE_ERR_TOO_LARGE: {
    status: 413,
    sentence: 'The upload is larger than this server accepts',
    todo: 'Stage less, or ask the operator to raise the limit.'
  },
  STAGE_ERR_TOO_MANY_ENTRIES: {
    status: 413,
    sentence: 'The bundle has more entries than this server accepts',
    todo: 'Pack small files into an archive.'
  },
  STAGE_ERR_MEDIA_TYPE: {
    status: 415,
    sentence: 'The Content-Type cannot be read here',
    todo: 'Send the expected Content-Type.'
  },
  STAGE_ERR_RANGE: {
    status: 416,
    sentence: 'The requested range lies outside the entry',
    todo: 'Ask for a range inside the size given in Content-Range.'
  },
  STAGE_ERR_DIGEST: {
    status: 422,
    sentence: 'The bytes do not have the announced SHA-256',
    todo: 'Check that the file did not change meanwhile, and upload it again.'
  },
  STAGE_ERR_SIZE: {
    status: 422,
    sentence: 'The body does not have the announced size',
    todo: 'Check that the file did not change meanwhile, and upload it again.'
  },
  STAGE_ERR_KEY_REUSED: {
    status: 422,
    sentence: 'This Idempotency-Key was used for other files',
    todo: 'Use a new Idempotency-Key for each set of files.'
  },
  STAGE_ERR_CLIENT_GONE: {
    status: 499,
    sentence: 'The client closed the connection before its request was complete',
    todo: 'Send the whole request again; nothing of it was kept.'
  },
  STAGE_ERR_INTERNAL: {
    status: 500,
    sentence: 'The server failed',
    todo: 'Give the request id to the operator: the log has the cause.'
  },
  STAGE_ERR_BUSY: {
    status: 503,
    sentence: 'Too many downloads are waiting already',
    todo: 'Ask again after the time in Retry-After.'
  },
  STAGE_ERR_STOPPING: {
    status: 503,
    sentence: 'The server is stopping and takes no new uploads',
    todo: 'Ask again after the time in Retry-After.'
  },
  STAGE_ERR_KEY_UNKNOWN: {
    status: 503,
    sentence: 'The key that signed this token has not reached this server yet',
    todo: 'Ask again after the time in Retry-After.'
  },
  STAGE_ERR_IDENTITY: {
    status: 503,
    sentence: 'The server cannot check upload credentials at the moment',
    todo: 'Ask again after the time in Retry-After; the log has the cause.'
  },
  STAGE_ERR_STORE_UNAVAILABLE: {
    status: 503,
    sentence: 'The store gives no good answer at the moment',
    todo: 'Ask again after the time in Retry-After; nothing that was answered before is lost.'
  },
  STAGE_ERR_QUOTA: {
    status: 507,
    sentence: 'The namespace has no room left for this upload',
    todo: 'Remove bundles that nobody needs any more (spark-stage rm), or ask the operator to raise the quota.'
  },
  STAGE_ERR_NO_SPACE: {
    status: 507,
    sentence: 'The store has no space left',
    todo: 'Ask the operator to make space, then send the request again; nothing of it was kept.'
  }
} as const satisfies Readonly<Record<string, ErrorRow>>

export type ErrorCode = keyof typeof errorTable

/** What an error says beyond its row in the table. Nothing here may hold a secret: all of it reaches the client. */
export interface ErrorDetails {
  /** Which thing it happened to; shown quoted and shortened, so it may come from outside. */
  readonly subject?: string
  readonly expected?: string
  readonly found?: string
  /** For what was too much: the limit, what was used of it, and what the request asked for, in bytes. */
  readonly limitBytes?: number
  readonly usedBytes?: number
  readonly askedBytes?: number
  /** The three largest files of such a request; the size is left out for one that was just arriving. */
  readonly largest?: readonly { readonly path: string; readonly sizeBytes?: number }[]
  /** SHA-256 digests that a draft still lacks. */
  readonly missing?: readonly string[]
  /** Why and when (RFC 3339) a bundle ended. */
  readonly reason?: string
  readonly endedAt?: string
  /** Whole seconds; becomes the `Retry-After` header. */
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

/** The JSON body of every answer with a status of 400 or more. */
export interface ErrorBody extends Omit<ErrorDetails, 'subject' | 'cause'> {
  readonly code: ErrorCode
  readonly message: string
  readonly todo: string
  readonly requestId: string
}

/** An error of the table. Its message is for people and safe to show to the client. */
export class StagingError extends Error {
  override readonly name = 'StagingError'
  readonly code: ErrorCode
  readonly status: number
  readonly details: ErrorDetails

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    const { sentence, status } = errorTable[code]
    const subject = details.subject === undefined ? '' : `: ${quote(details.subject)}`
    super(sentence + subject, details.cause === undefined ? {} : { cause: details.cause })
    this.code = code
    this.status = status
    this.details = details
  }

  /** The answer's body, in the order people read it. */
  toBody(requestId: string): ErrorBody {
    const { subject: _subject, cause: _cause, ...shown } = this.details
    return { code: this.code, message: this.message, ...shown, todo: errorTable[this.code].todo, requestId }
  }
}

/**
 * Text from outside, made safe to show: as JSON writes it, at most `limit` characters, no control characters.
 *
 * @param limit characters kept of the text
 */
export function quote(text: string, limit = 100): string {
  return JSON.stringify(text.length > limit ? `${text.slice(0, limit)}…` : text).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
