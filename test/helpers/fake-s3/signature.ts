import { createHash, createHmac } from 'node:crypto'
import { minuteMs, secondMs } from '../../../shared/units.ts'
import { S3Error, type S3Request } from './s3-answer.ts'

export interface SignatureRules {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** The only one that signatures may be for. */
  readonly region: string
  readonly nowMs: number
}

/** What a signature says of itself, be it in a header or in a URL. */
interface Claims {
  readonly accessKeyId: string
  /** `<date>/<region>/s3/aws4_request`. */
  readonly scope: string
  readonly signedHeaders: string
  readonly signature: string
  /** `YYYYMMDDTHHMMSSZ`. */
  readonly at: string
  readonly bodyDigest: string
}

const skewMs = 15 * minuteMs

/**
 * Checks a request's signature as S3 does.
 *
 * @throws S3Error with S3's code
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
export function checkSignature(call: S3Request, rules: SignatureRules): void {
  const isPresigned = call.query.has('X-Amz-Signature')
  const claims = isPresigned ? claimsOfUrl(call.query) : claimsOfHeader(call.headers)
  if (claims.accessKeyId !== rules.accessKeyId) throw new S3Error(403, 'InvalidAccessKeyId')
  if (!claims.scope.includes(`/${rules.region}/s3/`)) throw new S3Error(400, 'AuthorizationHeaderMalformed')
  const signedMs = Date.parse(
    claims.at.replace(
      /(....)(..)(..)T(..)(..)(..)Z/,
      (_all, y, m, d, h, min, s) => `${y}-${m}-${d}T${h}:${min}:${s}Z`
    )
  )
  if (isPresigned && rules.nowMs > signedMs + Number(call.query.get('X-Amz-Expires')) * secondMs)
    throw new S3Error(403, 'AccessDenied')
  if (!isPresigned && Math.abs(rules.nowMs - signedMs) > skewMs)
    throw new S3Error(403, 'RequestTimeTooSkewed')
  if (sign(call, claims, rules.secretAccessKey) !== claims.signature)
    throw new S3Error(403, 'SignatureDoesNotMatch')
}

function claimsOfUrl(query: URLSearchParams): Claims {
  const [accessKeyId = '', ...scope] = String(query.get('X-Amz-Credential')).split('/')
  return {
    accessKeyId,
    scope: scope.join('/'),
    signedHeaders: String(query.get('X-Amz-SignedHeaders')),
    signature: String(query.get('X-Amz-Signature')),
    at: String(query.get('X-Amz-Date')),
    bodyDigest: 'UNSIGNED-PAYLOAD'
  }
}

function claimsOfHeader(headers: S3Request['headers']): Claims {
  const found = /Credential=([^/]+)\/([^,]+), *SignedHeaders=([^,]+), *Signature=(\w+)/.exec(
    headers.authorization ?? ''
  )
  if (found === null) throw new S3Error(403, 'AccessDenied')
  const [, accessKeyId = '', scope = '', signedHeaders = '', signature = ''] = found
  const { 'x-amz-date': at, 'x-amz-content-sha256': bodyDigest } = headers
  return { accessKeyId, scope, signedHeaders, signature, at: String(at), bodyDigest: String(bodyDigest) }
}

function sign(call: S3Request, claims: Claims, secret: string): string {
  const query = [...call.query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(pair => pair.map(encode).join('='))
    .sort()
    .join('&')
  const headers = claims.signedHeaders
    .split(';')
    .map(name => `${name}:${String(call.headers[name] ?? '').trim()}\n`)
    .join('')
  const request = [call.method, call.path, query, headers, claims.signedHeaders, claims.bodyDigest].join('\n')
  const digest = createHash('sha256').update(request).digest('hex')
  const text = ['AWS4-HMAC-SHA256', claims.at, claims.scope, digest].join('\n')
  const key = claims.scope
    .split('/')
    .reduce<string | Buffer>((before, part) => hmac(before, part), `AWS4${secret}`)
  return hmac(key, text).toString('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  )
}
