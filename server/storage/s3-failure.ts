import { StorageError } from './storage-driver.ts'

/** What S3 or the way to it has answered instead of what was asked for. */
export interface S3Failure {
  /** S3's code, such as `NoSuchKey`, or the network's, such as `ECONNREFUSED`. */
  readonly code: string
  /** The HTTP status; undefined when no answer came. */
  readonly status: number | undefined
  /** How often it was asked. */
  readonly attemptsCount: number
}

const unreachable = 'the way to S3 is cut: mend SPARK_STAGE_S3_ENDPOINT, or what is in between'
const badKey =
  'the key of KMS cannot be used: mend SPARK_STAGE_S3_KMS_KEY_ID, the key, or the right to use it'
const untrusted =
  'nobody vouches for the certificate of S3: set NODE_EXTRA_CA_CERTS to the file of its authority'

/** What it takes to mend a store in S3. None of it names a bucket, a key or a host: `/readyz` shows it to everyone. */
const mends: Readonly<Record<string, string>> = {
  NoRegion: 'the region is not known: set SPARK_STAGE_S3_REGION',
  NoSuchBucket: 'the bucket does not exist: make it, or name another store',
  InvalidBucketName: 'no bucket can be called so: name another store',
  AccessDenied:
    'the credentials lack a right that docs/s3.md lists: grant it for this bucket and prefix, or use others',
  NoRole: 'the role is refused: its trust policy must name the service account of the servers',
  ENOENT: 'a file of the credentials is not there: mend AWS_WEB_IDENTITY_TOKEN_FILE, or mount it',
  InvalidAccessKeyId: 'S3 does not know the access key: mend the credentials (AWS_ACCESS_KEY_ID)',
  SignatureDoesNotMatch: 'the secret key is not that of the access key: mend AWS_SECRET_ACCESS_KEY',
  InvalidToken: 'S3 refuses the session token: mend AWS_SESSION_TOKEN, or leave it out',
  ExpiredToken: 'the credentials have expired: give the server new ones',
  CredentialsProviderError:
    'no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role',
  AuthorizationHeaderMalformed: 'the bucket is in another region: mend SPARK_STAGE_S3_REGION',
  PermanentRedirect: 'the bucket is in another region: mend SPARK_STAGE_S3_REGION',
  IllegalLocationConstraintException: 'the bucket is in another region: mend SPARK_STAGE_S3_REGION',
  ENOTFOUND: 'the host of S3 has no address: mend SPARK_STAGE_S3_ENDPOINT or SPARK_STAGE_S3_REGION',
  ECONNREFUSED: 'nothing listens where S3 should be: mend SPARK_STAGE_S3_ENDPOINT, or start it',
  ECONNRESET: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ETIMEDOUT: unreachable,
  EAI_AGAIN: 'the DNS does not answer: mend it, or let the server reach it',
  EPROTO: 'no TLS is spoken there: mend http or https in SPARK_STAGE_S3_ENDPOINT',
  TimeoutError: 'S3 does not answer: mend SPARK_STAGE_S3_ENDPOINT, or the way to it',
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host: mend SPARK_STAGE_S3_ENDPOINT',
  ERR_INVALID_CHAR: 'the credentials have characters that no header takes, such as a newline: take them out',
  NotImplemented:
    'the store lacks what is asked of it: if that is encryption, mend SPARK_STAGE_S3_ENCRYPTION',
  SlowDown: 'S3 throttles: it passes, or the bucket takes more than it is made for',
  RequestTimeTooSkewed: 'the clock of this server is wrong: set it'
}

/** Codes of a store that is full. */
const fullCodes = ['XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded', 'QuotaExceeded']

/** What an error that the SDK threw says. */
export function readFailure(error: unknown): S3Failure {
  // A boundary: the SDK's errors have a name and metadata, the network's have a code.
  const { name, message, code, Code, $metadata } = error as {
    readonly name?: string
    readonly message?: string
    readonly code?: string
    readonly Code?: string
    readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number }
  }
  return {
    code: told(message) ?? Code ?? code ?? String(name),
    status: $metadata?.httpStatusCode,
    attemptsCount: $metadata?.attempts ?? 1
  }
}

/** What only the message of an error tells. */
function told(message = ''): string | undefined {
  if (message === 'Region is missing') return 'NoRegion'
  // Who refuses is not S3, and no right to the bucket would help.
  return message.includes('sts:AssumeRole') ? 'NoRole' : undefined
}

/** An error of the SDK as the contract's. Only S3's own word that there is no such key counts as `not-found`. */
export function toStorageError(error: unknown, doing: string): StorageError {
  const failure = readFailure(error)
  const { code, status } = failure
  const found = status === undefined ? `no answer: ${code}` : `S3 answered ${status} ${code}`
  if (code === 'NoSuchKey') return new StorageError('not-found', `${doing}: not found`, error)
  if (status === 507 || fullCodes.includes(code)) {
    return new StorageError('no-space', `${doing}: no space: ${found}`, error)
  }
  const todo = howToMend(failure)
  const message = `${doing}: ${found}${todo === undefined ? '' : `: ${todo}`}`
  return new StorageError('unavailable', message, error, todo)
}

/** What to do about it, where that is known. */
function howToMend({ code, status }: S3Failure): string | undefined {
  if (Object.hasOwn(mends, code)) return mends[code]
  if (/^kms[.:]/i.test(code)) return badKey
  if (status === 403) return mends['AccessDenied']
  return status === 301 ? mends['PermanentRedirect'] : undefined
}
