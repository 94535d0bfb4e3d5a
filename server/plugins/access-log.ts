import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type AuditDetails, outcomeOf } from '../observe/audit.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What a route has to say of an audited request; part of its line in the log. */
    audited: AuditDetails | undefined
  }
}

/** What no log line shows, wherever a request or an error might carry it. A test holds this to its word. */
export const redactedPaths = [
  'req.headers.authorization',
  'headers.authorization',
  'authorization',
  'token',
  'credential',
  'secret'
]

/**
 * One line for each request, after the last byte of its answer, or when its client has gone. For a request that is
 * audited the same line says all that there is to audit.
 */
export function registerAccessLog(app: FastifyInstance): void {
  app.decorateRequest('audited', undefined)
  app.addHook('onRequest', async (request, reply) => {
    // A connection that is gone has no address any more.
    const from = request.ip
    // Not Fastify's onResponse: it never comes when the client goes first.
    reply.raw.once('close', () => {
      const fields = {
        method: request.method,
        path: pathOf(request),
        ...(reply.raw.headersSent ? { status: reply.raw.statusCode } : {}),
        ms: Math.round(reply.elapsedTime),
        from,
        ...(request.uploader === undefined ? {} : { principal: request.uploader.principal }),
        ...(request.errorCode === undefined ? {} : { code: request.errorCode }),
        ...auditFields(request, reply)
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

/** What a line says of an audited request: the path tells which bundle it was meant for, even when it was refused. */
function auditFields(request: FastifyRequest, { raw }: FastifyReply): Record<string, unknown> {
  const { action } = request.routeOptions.config.contract ?? {}
  if (action === undefined) return {}
  const { ns, id } = request.params as Readonly<Record<string, string>>
  const outcome = outcomeOf(raw.statusCode, raw.writableFinished)
  return { action, outcome, namespace: ns, bundleId: id, ...request.audited }
}
