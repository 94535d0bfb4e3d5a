import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { EntryAnswer } from './conditional.ts'

/** How long the URL of a redirect opens its bytes. That is for the request to begin: a body that has begun goes on. */
export const urlSeconds = 120

/**
 * Conditions that a client would say again to the bucket, which knows neither our tags nor our times. `If-Match` is not
 * among them: our own clients always send it here, and never there.
 */
const conditions = ['if-range', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const

/**
 * Whether a request can be sent on to the bucket: there its own `Range` counts, so it has to be one that every store
 * reads as the server has read it.
 */
export function canRedirect(
  method: string,
  headers: IncomingHttpHeaders,
  { status, range: { start, end } }: EntryAnswer
): boolean {
  if (method !== 'GET' || start === end || headers['x-spark-stage-redirect'] === 'no') return false
  if (conditions.some(name => headers[name] !== undefined)) return false
  return status === 206 ? /^bytes=\d+-\d*$/.test(String(headers.range)) : headers.range === undefined
}

/** Sends a client to the bucket. The URL is a secret: it is in this header, and nowhere else. */
export function sendRedirect(reply: FastifyReply, url: string): FastifyReply {
  return reply.code(307).headers({ location: url, 'cache-control': 'no-store' }).send()
}
