import type { FastifyPluginAsync } from 'fastify'
import type { Metrics } from '../observe/metrics.ts'
import { contracts } from './contracts.ts'

/** `/metrics` for Prometheus. Reading it costs the same whatever is stored. */
export const metricsRoute: FastifyPluginAsync<{ readonly metrics: Metrics }> = async (app, { metrics }) => {
  app.get('/metrics', { config: { contract: contracts.metrics } }, async (_request, reply) => {
    const text = await metrics.text()
    return reply.type(metrics.contentType).send(text)
  })
}
