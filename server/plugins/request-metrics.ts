import { Server as TlsServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { outcomeOf } from '../observe/audit.ts'
import type { Metrics } from '../observe/metrics.ts'

/** Counts every request of `app`, and all that goes over its connections. */
export function registerMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.server.on(app.server instanceof TlsServer ? 'secureConnection' : 'connection', metrics.watchConnection)

  app.addHook('onRequest', async (request, reply) => {
    const { url: route, config } = request.routeOptions
    const { action } = config.contract ?? {}
    const endUpload = action === 'stage' || action === 'upload' ? metrics.beginUpload() : undefined
    reply.raw.once('close', () => {
      endUpload?.()
      const { statusCode: status, writableFinished } = reply.raw
      metrics.endRequest({
        method: request.method,
        route,
        status,
        isCut: !writableFinished,
        ms: reply.elapsedTime,
        code: request.errorCode,
        action: request.audited?.action ?? action,
        outcome: outcomeOf(status, writableFinished)
      })
    })
  })
}
