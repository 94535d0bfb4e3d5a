import type { IncomingHttpHeaders } from 'node:http'
import parseRange from 'range-parser'
import { StagingError } from '../../shared/errors.ts'
import type { ByteRange } from '../storage/storage-driver.ts'

/** How a GET or HEAD of an entry is answered: what status, and which of its bytes. */
export interface EntryAnswer {
  readonly status: 200 | 206 | 304 | 416
  readonly range: ByteRange
}

/** A strong entity tag: the digest, so it stays true wherever the bytes come from. */
export function etagOf(sha256: string): string {
  return `"${sha256}"`
}

/**
 * Applies the preconditions of RFC 9110, section 13.2.2, in its order, then `Range` (section 14). A range set of more
 * than one range, or one that cannot be read, is ignored, as section 14.2 allows.
 *
 * @throws StagingError `STAGE_ERR_PRECONDITION`
 */
export function chooseAnswer(
  method: string,
  headers: IncomingHttpHeaders,
  { sizeBytes, sha256 }: { readonly sizeBytes: number; readonly sha256: string }
): EntryAnswer {
  const etag = etagOf(sha256)
  const whole: ByteRange = { start: 0, end: sizeBytes }
  const none: ByteRange = { start: 0, end: 0 }
  if (headers['if-match'] !== undefined && !lists(headers['if-match'], etag, 'strong')) {
    throw new StagingError('STAGE_ERR_PRECONDITION', { expected: headers['if-match'], found: etag })
  }
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined && lists(noneMatch, etag, 'weak')) return { status: 304, range: none }
  const { range } = headers
  if (range === undefined || method !== 'GET') return { status: 200, range: whole }
  // A date never matches: entries have no Last-Modified.
  if (headers['if-range'] !== undefined && headers['if-range'] !== etag) return { status: 200, range: whole }
  const ranges = parseRange(sizeBytes, withinSize(range, sizeBytes))
  if (ranges === -1) return { status: 416, range: none }
  const [only, ...others] = ranges === -2 || ranges.type !== 'bytes' ? [] : ranges
  if (only === undefined || others.length > 0) return { status: 200, range: whole }
  return { status: 206, range: { start: only.start, end: only.end + 1 } }
}

/** The last 9 of 5 bytes are all 5 (RFC 9110, section 14.1.2), which the parser does not know. */
function withinSize(range: string, sizeBytes: number): string {
  const suffixBytes = Number(/^bytes=-(\d+)$/.exec(range)?.[1] ?? 0)
  return sizeBytes > 0 && suffixBytes > sizeBytes ? `bytes=-${sizeBytes}` : range
}

/** Whether an `If-Match` or `If-None-Match` lists this tag (RFC 9110, section 8.8.3.2). */
function lists(header: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true
  const tags = header.match(/(?:W\/)?"[^"]*"/g) ?? []
  return tags.some(tag => tag === etag || (comparison === 'weak' && tag === `W/${etag}`))
}
