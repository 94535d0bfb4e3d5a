import type { FastifyPluginAsync } from 'fastify'
import { contracts } from './contracts.ts'

/** `/openapi.json`: the contract of all routes, made from their schemas and contracts. */
export const openapiRoute: FastifyPluginAsync = async app => {
  app.get('/openapi.json', { config: { contract: contracts.openapi } }, async () => app.swagger())
}
