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

/** One line for each request, after the last byte of its answer. */
export function registerAccessLog(app: FastifyInstance): void {
  app.addHook('onResponse', async (request, reply) => {
    const fields = {
      method: request.method,
      path: pathOf(request),
      status: reply.raw.statusCode,
      ms: Math.round(reply.elapsedTime),
      from: request.ip,
      ...(request.uploader === undefined ? {} : { principal: request.uploader.principal }),
      ...(request.errorCode === undefined ? {} : { code: request.errorCode }),
      ...(reply.raw.writableFinished ? {} : { cut: true })
    }
    request.log.info(fields, 'request answered')
  })
}

/** Without the query: someone may put there what belongs into a header. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? ''
}
