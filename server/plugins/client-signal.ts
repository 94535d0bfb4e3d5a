import { finished } from 'node:stream'
import type { FastifyReply } from 'fastify'

/**
 * Aborts when the client goes away before its answer is complete, or has gone already. (`request.signal` will not do:
 * it aborts as soon as the request's body was read to its end.)
 */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  finished(reply.raw, error => {
    if (error) gone.abort(error)
  })
  return gone.signal
}
