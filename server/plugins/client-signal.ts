import type { FastifyReply } from 'fastify'

/**
 * Aborts when the client goes away before its answer is complete. (`request.signal` will not do: it aborts as soon as
 * the request's body was read to its end.)
 */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new Error('the client closed the connection'))
  })
  return gone.signal
}
