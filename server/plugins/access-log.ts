import type { FastifyInstance, FastifyRequest } from 'fastify'

/** What no log line shows, wherever a request or an error might carry it. A test holds this to its word. */
export const redactedPaths = [
  'req.headers.authorization',
  'headers.authorization',
  'authorization',
  'token',
  'credential',
  'secret'
]

/** One line for each request, after the last byte of its answer, or when its client has gone. */
export function registerAccessLog(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    // Not Fastify's onResponse: it never comes when the client goes first.
    reply.raw.once('close', () => {
      const fields = {
        method: request.method,
        path: pathOf(request),
        ...(reply.raw.headersSent ? { status: reply.raw.statusCode } : {}),
        ms: Math.round(reply.elapsedTime),
        from: request.ip,
        ...(request.uploader === undefined ? {} : { principal: request.uploader.principal }),
        ...(request.errorCode === undefined ? {} : { code: request.errorCode })
      }
      if (reply.raw.writableFinished) request.log.info(fields, 'request answered')
      else request.log.info(fields, 'request cut off')
    })
  })
}

/** Without the query: someone may put there what belongs into a header. */
function pathOf(request: FastifyRequest): string {
  return request.url.replace(/\?.*/s, '')
}
