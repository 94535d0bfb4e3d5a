import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { clientSignal } from '../plugins/client-signal.ts'
import { contracts } from './contracts.ts'
import { announcedBytesOf, type RouteOptions } from './route-options.ts'
import { BlobAnswer, BundleParams, Sha256 } from './schemas.ts'

/** `PUT /api/v1/namespaces/{ns}/bundles/{id}/blobs/{sha256}`: the bytes of a draft, as they are. */
export const blobsRoute: FastifyPluginAsyncTypebox<RouteOptions> = async (app, { staging, drain }) => {
  // Whatever the client calls it, a body here is bytes.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))

  app.put(
    '/blobs/:sha256',
    {
      config: { contract: contracts.upload },
      onRequest: drain.refuseWhenStopping,
      schema: {
        params: Type.Object({ ...BundleParams.properties, sha256: Sha256 }),
        response: { 201: BlobAnswer }
      }
    },
    async (request, reply) => {
      const { ns, id, sha256 } = request.params
      const stored = await staging.drafts.putBlob(
        ns,
        id,
        sha256,
        request.raw,
        announcedBytesOf(request),
        clientSignal(reply)
      )
      request.audited = { digest: stored.sha256, bytes: stored.sizeBytes }
      return reply.code(201).send(stored)
    }
  )
}
