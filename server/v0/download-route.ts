import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { StagingError } from '../../shared/errors.ts'
import { secondMs } from '../../shared/units.ts'
import { sendBytes } from '../plugins/send-bytes.ts'
import { contracts } from './contracts.ts'
import { entryKind, entryName, toBundleId } from './resource.ts'
import type { V0Options } from './v0-options.ts'

/** The fork's init container gives up after ten seconds without a byte. */
const longestWaitMs = 5 * secondMs

const Params = Type.Object({ id: Type.String({ description: 'Id of the bundle, written as a UUID.' }) })

/** `GET /api/v0/resources/{id}`: what was uploaded, whole, for whoever holds its secret. */
export const downloadRoute: FastifyPluginAsyncTypebox<V0Options> = async (app, options) => {
  const { staging, tokens, downloads } = options

  const download = { config: { contract: contracts.download }, schema: { params: Params } }
  app.get('/resources/:id', download, async (request, reply) => {
    const bundleId = toBundleId(request.params.id)
    const namespace = await findNamespace(secretOf(request.headers.authorization), bundleId)
    const entry = await staging.bundles.findEntry(namespace, bundleId, `${entryKind}/${entryName}`)
    const { path, sha256: digest, sizeBytes: bytes } = entry
    request.audited = { namespace, bundleId, entry: path, digest, bytes }
    const headers = {
      'content-length': entry.sizeBytes,
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      // The fork's client unpacks what a proxy compresses on the way, and then fails.
      'cache-control': 'private, no-transform'
    }
    const range = { start: 0, end: entry.sizeBytes }
    const answer = { status: 200, headers, entry, range, longestWaitMs }
    await sendBytes(request, reply, { bundles: staging.bundles, downloads }, answer)
  })

  /** To the fork's init container every error is the end, so there is no "ask again later" here. */
  async function findNamespace(secret: string | undefined, bundleId: string): Promise<string> {
    try {
      return await tokens.findNamespace(secret, bundleId)
    } catch (error) {
      const isKeyUnknown = error instanceof StagingError && error.code === 'STAGE_ERR_KEY_UNKNOWN'
      throw isKeyUnknown ? new StagingError('STAGE_ERR_TOKEN', { cause: error }) : error
    }
  }
}

/** The fork sends the bare secret; other clients are used to a scheme before it. */
function secretOf(authorization: string | undefined): string | undefined {
  return /^(?:Bearer +)?([\x21-\x7e]+) *$/i.exec(authorization ?? '')?.[1]
}
