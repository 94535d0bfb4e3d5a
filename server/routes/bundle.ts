import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { describeBundle } from '../observe/audit.ts'
import { publicEntries } from '../staging/manifests.ts'
import { contracts } from './contracts.ts'
import { type RouteOptions, stagedAnswer } from './route-options.ts'
import { BundleParams, RenewAnswer, StagedAnswer } from './schemas.ts'

/** `/api/v1/namespaces/{ns}/bundles/{id}`: commit, sign again, renew, revoke. */
export const bundleRoute: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { staging, tokens }) => {
  const staged = { params: BundleParams, response: { 200: StagedAnswer } }

  app.post('/commit', { config: { contract: contracts.commit }, schema: staged }, async request => {
    const { ns, id } = request.params
    const lease = await staging.drafts.commit(ns, id)
    const { entries } = await staging.bundles.read(ns, id)
    request.audited = describeBundle(entries)
    return { ...(await stagedAnswer(tokens, id, lease)), entries: [...publicEntries(entries)] }
  })

  app.post('/token', { config: { contract: contracts.sign }, schema: staged }, async request => {
    const { ns, id } = request.params
    return stagedAnswer(tokens, id, await staging.bundles.get(ns, id))
  })

  const renewed = { params: BundleParams, response: { 200: RenewAnswer } }
  app.post('/renew', { config: { contract: contracts.renew }, schema: renewed }, async request => {
    const { ns, id } = request.params
    const { expiresAtMs } = await staging.bundles.renew(ns, id)
    return { bundleId: id, expiresAt: new Date(expiresAtMs).toISOString() }
  })

  const revoked = { config: { contract: contracts.revoke }, schema: { params: BundleParams } }
  app.delete('/', revoked, async (request, reply) => {
    await staging.bundles.revoke(request.params.ns, request.params.id)
    return reply.code(204).send()
  })
}
