import type { FastifyPluginAsync } from 'fastify'
import { registerMultipart } from '../plugins/multipart.ts'
import { refuseForeignHost, refuseOrigin } from '../plugins/same-machine.ts'
import { contracts } from './contracts.ts'
import { downloadRoute } from './download-route.ts'
import { maxPartsCount, uploadRoute } from './upload-route.ts'
import type { V0Options } from './v0-options.ts'

/**
 * The door for the programs of the apache-spark-on-k8s fork (Spark 2.2), below `/api`: what they send is accepted and
 * success looks to them as from their own server; errors are those of this one. Its uploads carry no credential, so a
 * web page must not be able to make them, whatever the server asks of others.
 */
export const v0Door: FastifyPluginAsync<V0Options> = async (app, options) => {
  app.addHook('onRequest', refuseOrigin)
  if (options.isLoopbackOnly) app.addHook('onRequest', refuseForeignHost)
  app.removeAllContentTypeParsers()
  await registerMultipart(app, { maxPartBytes: options.limits.maxUploadBytes, maxPartsCount })

  for (const path of ['/ping', '/v0/ping']) {
    const operationId = path === '/ping' ? 'ping' : 'pingV0'
    app.get(path, { config: { contract: { ...contracts.ping, operationId } } }, async (_request, reply) =>
      reply.type('text/plain').send('pong')
    )
  }
  await app.register(uploadRoute, { ...options, prefix: '/v0' })
  await app.register(downloadRoute, { ...options, prefix: '/v0' })
}
