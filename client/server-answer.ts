import { quote } from '../shared/errors.ts'
import type { ExitCause } from '../shared/exit-codes.ts'
import { type Entry, parseManifest } from '../shared/manifest.ts'
import { isBundleId, isSha256 } from '../shared/names.ts'
import { formatBytes } from '../shared/units.ts'
import { ClientError, describe } from './client-error.ts'
import { RetryableError } from './retry.ts'

/** Answer to the request for a draft. */
export interface DraftAnswer {
  readonly bundleId: string
  /** Digests whose bytes the server asks for. */
  readonly missing: readonly string[]
}

/** Answer to a commit. */
export interface CommitAnswer {
  readonly bundleId: string
  /** The download token: a secret. */
  readonly token: string
  /** RFC 3339. */
  readonly expiresAt: string
}

/** A bundle or a draft in a list. */
export interface ListedBundle {
  readonly bundleId: string
  readonly state: string
  readonly principal: string
  /** What it holds, once committed. */
  readonly sizeBytes?: number
  /** RFC 3339, both. */
  readonly createdAt: string
  readonly expiresAt: string
}

/** A page of a list. */
export interface ListAnswer {
  readonly bundles: readonly ListedBundle[]
  /** The id to go on after, when there may be more. */
  readonly next?: string
}

/** The parts of an error's body that are shown to people; all of it is text from outside. */
export interface ErrorAnswer {
  readonly code: string
  readonly message: string
  readonly expected?: string
  readonly found?: string
  readonly todo?: string
  readonly requestId?: string
  /** The largest files of a request that was too large, for people. */
  readonly largestFiles?: string
  readonly missing: readonly string[]
}

/** @throws ClientError (internal) when this is no draft */
export function parseDraft(value: unknown): DraftAnswer {
  const { bundleId, missing } = record(value)
  if (typeof bundleId === 'string' && isBundleId(bundleId) && isDigestList(missing))
    return { bundleId, missing }
  throw unexpected('a draft with its bundle id and a list of missing digests', value)
}

/** @throws ClientError (internal) when this is not the commit of this bundle */
export function parseCommit(value: unknown, bundleId: string): CommitAnswer {
  const { token, expiresAt, bundleId: found } = record(value)
  if (found === bundleId && typeof token === 'string' && typeof expiresAt === 'string') {
    return { bundleId, token, expiresAt }
  }
  // Not shown: it may hold a token.
  throw new ClientError('internal', `the server's answer is not the commit of bundle ${bundleId}`)
}

/** When a renewed bundle ends, RFC 3339. @throws ClientError (internal) when this is not its renewal */
export function parseRenewal(value: unknown, bundleId: string): string {
  const { bundleId: found, expiresAt } = record(value)
  if (found === bundleId && isTime(expiresAt)) return expiresAt
  throw unexpected(`the renewal of bundle ${bundleId}`, value)
}

/** @throws ClientError (internal) when this is no page of a list that goes on after the id `after` */
export function parseList(value: unknown, after: string): ListAnswer {
  const { bundles, next } = record(value)
  if (!Array.isArray(bundles)) throw unexpected('a list of bundles', value)
  const page = { bundles: bundles.map(parseListed) }
  if (next === undefined) return page
  // Ids are listed in order; one that goes back would be asked for without end.
  if (typeof next === 'string' && isBundleId(next) && next > after) return { ...page, next }
  throw unexpected(`an id greater than ${JSON.stringify(after)} to go on after`, next)
}

/** What a committed bundle holds. @throws ClientError (internal) when this is not its manifest */
export function parseEntries(value: unknown, namespace: string, bundleId: string): readonly Entry[] {
  try {
    return parseManifest(value, namespace, bundleId).entries
  } catch (cause) {
    const message = `the server's answer is not understood: ${(cause as Error).message}`
    throw new ClientError('internal', message, { cause })
  }
}

/** An error's body as far as it can be read; a proxy's HTML page becomes a message too. */
export function parseError(status: number, text: string): ErrorAnswer {
  const { code, message, missing, largest, ...more } = record(parseJson(text))
  if (typeof code !== 'string' || typeof message !== 'string') {
    const begin = text.trim() === '' ? '' : `: ${quote(text.trim(), 200)}`
    return { code: `HTTP ${status}`, message: `no error of a spark-stage server${begin}`, missing: [] }
  }
  const shown = Object.entries(more).flatMap(([key, part]) =>
    typeof part === 'string' ? [[key, printable(part)]] : []
  )
  return {
    ...Object.fromEntries(shown),
    code: printable(code),
    message: printable(message),
    ...(Array.isArray(largest) ? { largestFiles: largest.map(describeFile).join(', ') } : {}),
    missing: isDigestList(missing) ? missing : []
  }
}

function describeFile(value: unknown): string {
  const { path, sizeBytes } = record(value)
  const size = typeof sizeBytes === 'number' ? ` (${formatBytes(sizeBytes)})` : ''
  return printable(String(path)) + size
}

/** The server's last word on a request: asking again will not help. */
export class RefusedError extends ClientError {
  readonly answer: ErrorAnswer

  constructor(exitCause: ExitCause, message: string, answer: ErrorAnswer) {
    super(exitCause, message)
    this.answer = answer
  }
}

/** What an error's answer means for the command: worth another attempt, or its end with a cause. */
export function failureOf(
  status: number,
  answer: ErrorAnswer,
  retryAfterMs: number
): RetryableError | RefusedError {
  const passing =
    status === 429 || (status >= 500 && status !== 507) || answer.code === 'STAGE_ERR_UPLOAD_RUNNING'
  const request = answer.requestId === undefined ? '' : `, request ${answer.requestId}`
  const sentence = `${answer.message} (${answer.code}${request})`
  if (passing) return new RetryableError(`the server answered ${status}: ${sentence}`, retryAfterMs)
  const exitCause = status === 507 ? 'noSpace' : status === 410 ? 'gone' : 'refused'
  return new RefusedError(exitCause, describe(`the server refused the request: ${sentence}`, answer), answer)
}

/** Text as JSON; `undefined` when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  // A boundary: every property read from it is checked where it is used.
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function isDigestList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(digest => typeof digest === 'string' && isSha256(digest))
}

function parseListed(value: unknown): ListedBundle {
  const { bundleId, state, principal, sizeBytes, createdAt, expiresAt } = record(value)
  if (
    typeof bundleId === 'string' &&
    isBundleId(bundleId) &&
    typeof state === 'string' &&
    typeof principal === 'string' &&
    (sizeBytes === undefined || typeof sizeBytes === 'number') &&
    isTime(createdAt) &&
    isTime(expiresAt)
  ) {
    const size = sizeBytes === undefined ? {} : { sizeBytes }
    return {
      bundleId,
      state: printable(state),
      principal: printable(principal),
      ...size,
      createdAt,
      expiresAt
    }
  }
  throw unexpected('a bundle with its id, state, principal and times', value)
}

/** Whether this is a time in a form that is safe to show. */
function isTime(value: unknown): value is string {
  return (
    typeof value === 'string' && /^\d{4}-[-\dT:.Z+]{1,30}$/.test(value) && !Number.isNaN(Date.parse(value))
  )
}

function unexpected(expected: string, found: unknown): ClientError {
  const text = JSON.stringify(found) ?? 'no JSON'
  return new ClientError(
    'internal',
    describe("the server's answer is not understood", { expected, found: quote(text, 200) })
  )
}

function printable(text: string): string {
  return text.slice(0, 2000).replace(/\p{Cc}/gu, ' ')
}
