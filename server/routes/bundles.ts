import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import Type, { type Static } from 'typebox'
import { StagingError } from '../../shared/errors.ts'
import { splitAlias } from '../../shared/names.ts'
import { describeBundle } from '../observe/audit.ts'
import { clientSignal } from '../plugins/client-signal.ts'
import { maxJsonBytes, uploadMediaTypes } from '../plugins/errors.ts'
import { fileParts, registerMultipart } from '../plugins/multipart.ts'
import type { ArrivingFile } from '../staging/arriving-files.ts'
import { publicEntries } from '../staging/manifests.ts'
import { contracts } from './contracts.ts'
import { announcedBytesOf, idempotencyKeyOf, type RouteOptions, stagedAnswer } from './route-options.ts'
import { BundleList, DraftAnswer, DraftRequest, ListQuery, NamespaceParams, StagedAnswer } from './schemas.ts'

/** `/api/v1/namespaces/{ns}/bundles`: stage files at once, declare a draft, list. */
export const bundlesRoute: FastifyPluginAsyncTypebox<RouteOptions> = async (app, options) => {
  const { staging, tokens, drain, limits } = options
  await registerMultipart(app, {
    maxPartBytes: limits.maxUploadBytes,
    maxPartsCount: limits.maxEntriesCount + 1
  })

  app.post(
    '/',
    {
      config: { contract: contracts.stage },
      onRequest: drain.refuseWhenStopping,
      bodyLimit: maxJsonBytes,
      schema: {
        params: NamespaceParams,
        body: { content: { 'application/json': { schema: DraftRequest } } },
        response: { 201: Type.Union([DraftAnswer, StagedAnswer]) }
      }
    },
    async (request, reply) => {
      const { uploader } = request
      const key = idempotencyKeyOf(request)
      reply.code(201)
      if (!request.isMultipart()) {
        // Without a Content-Type nothing was read, nor checked.
        if (request.body === undefined) {
          throw new StagingError('STAGE_ERR_MEDIA_TYPE', {
            expected: uploadMediaTypes,
            found: 'no Content-Type'
          })
        }
        // A boundary: the schema above has checked this body, but its type is lost in "content".
        const { entries } = request.body as Static<typeof DraftRequest>
        const { bundleId, missing } = await staging.drafts.declare(uploader, key, entries)
        const bytes = entries.reduce((sumBytes, { sizeBytes }) => sumBytes + sizeBytes, 0)
        request.audited = { action: 'declare', bundleId, bytes }
        return { bundleId, missing: [...missing] }
      }
      const upload = { files: arrivingFiles(request), announcedBytes: announcedBytesOf(request) }
      const { bundleId, lease, entries } = await staging.oneShots.stage(
        uploader,
        key,
        upload,
        clientSignal(reply)
      )
      request.audited = { bundleId, ...describeBundle(entries) }
      return { ...(await stagedAnswer(tokens, bundleId, lease)), entries: [...publicEntries(entries)] }
    }
  )

  app.get(
    '/',
    {
      config: { contract: contracts.list },
      schema: { params: NamespaceParams, querystring: ListQuery, response: { 200: BundleList } }
    },
    async request => {
      const { after = '', limit = '100' } = request.query
      const page = await staging.bundles.list(request.uploader.namespace, after, Number(limit))
      const bundles = page.bundles.map(({ bundleId, lease }) => ({
        bundleId,
        state: lease.state,
        principal: lease.principal,
        ...(lease.sizeBytes === undefined ? {} : { sizeBytes: lease.sizeBytes }),
        createdAt: new Date(lease.createdAtMs).toISOString(),
        expiresAt: new Date(lease.expiresAtMs).toISOString()
      }))
      return { ...page, bundles }
    }
  )
}

async function* arrivingFiles(request: FastifyRequest): AsyncGenerator<ArrivingFile> {
  // One without a name or a filename has an empty one, and is refused as such.
  for await (const { name, filename, source } of fileParts(request)) {
    yield { kind: name, source, ...splitAlias(filename) }
  }
}
