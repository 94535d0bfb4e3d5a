import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { quote, StagingError } from '../../shared/errors.ts'
import { describeBundle } from '../observe/audit.ts'
import { clientSignal } from '../plugins/client-signal.ts'
import { announcedBytesOf, stagedAnswer } from '../routes/route-options.ts'
import { contracts } from './contracts.ts'
import { entryKind, entryName, toResourceId } from './resource.ts'
import { UploadForm } from './upload-form.ts'
import type { V0Options } from './v0-options.ts'

/** Who has staged what came through this door: nobody says. */
const principal = 'anonymous'

/** Two count; a few others may lie beside them. */
export const maxPartsCount = 16

/** The fork's client takes an answer with any other field for no answer. */
const Answer = Type.Object({
  resourceId: Type.String({ description: 'Id of the bundle, written as a UUID.' }),
  resourceSecret: Type.String({ description: 'Download token of the bundle.' })
})

/** `POST /api/v0/resources/`: one file and its owner; with and without the slash at the end. */
export const uploadRoute: FastifyPluginAsyncTypebox<V0Options> = async (app, options) => {
  const { staging, tokens, drain, namespaces } = options

  for (const path of ['/resources', '/resources/']) {
    app.post(
      path,
      {
        config: { contract: contracts.upload },
        onRequest: [drain.refuseWhenStopping, requireForm],
        schema: { response: { 200: Answer } }
      },
      async (request, reply) => {
        const form = new UploadForm(request, namespaces)
        const files = form.files(source => ({ kind: entryKind, name: entryName, source }))
        const { bundleId, lease, entries } = await staging.oneShots.stageUnnamed(
          principal,
          { files, announcedBytes: announcedBytesOf(request) },
          () => form.owner,
          clientSignal(reply)
        )
        request.audited = { namespace: lease.namespace, bundleId, ...describeBundle(entries) }
        const { token } = await stagedAnswer(tokens, bundleId, lease)
        // Written as JSON here, because Fastify would add a charset to the type.
        reply.type('application/json').serializer(JSON.stringify)
        return { resourceId: toResourceId(bundleId), resourceSecret: token }
      }
    )
  }
}

async function requireForm(request: FastifyRequest): Promise<void> {
  const type = request.headers['content-type'] ?? ''
  if (/^multipart\/form-data *;/i.test(type)) return
  throw new StagingError('STAGE_ERR_MEDIA_TYPE', {
    expected: 'multipart/form-data with the parts resources and resourcesOwner',
    found: type === '' ? 'no Content-Type' : quote(type)
  })
}
