import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { publicEntries } from '../staging/manifests.ts'
import { type RouteOptions, stagedAnswer } from './route-options.ts'
import { BundleParams, RenewAnswer, StagedAnswer } from './schemas.ts'

/** `/api/v1/namespaces/{ns}/bundles/{id}`: commit, sign again, renew, revoke. */
export const bundleRoute: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { staging, tokens }) => {
  const staged = { schema: { params: BundleParams, response: { 200: StagedAnswer } } }

  app.post('/commit', staged, async request => {
    const { ns, id } = request.params
    const lease = await staging.drafts.commit(ns, id)
    const { entries } = await staging.bundles.read(ns, id)
    return { ...(await stagedAnswer(tokens, id, lease)), entries: [...publicEntries(entries)] }
  })

  app.post('/token', staged, async request => {
    const { ns, id } = request.params
    return stagedAnswer(tokens, id, await staging.bundles.get(ns, id))
  })

  app.post('/renew', { schema: { params: BundleParams, response: { 200: RenewAnswer } } }, async request => {
    const { ns, id } = request.params
    const { expiresAtMs } = await staging.bundles.renew(ns, id)
    return { bundleId: id, expiresAt: new Date(expiresAtMs).toISOString() }
  })

  app.delete('/', { schema: { params: BundleParams } }, async (request, reply) => {
    await staging.bundles.revoke(request.params.ns, request.params.id)
    return reply.code(204).send()
  })
}
