import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import Type from 'typebox'
import { StagingError } from '../../shared/errors.ts'
import { describeBundle } from '../observe/audit.ts'
import { requireDownloadToken } from '../plugins/auth.ts'
import { sendBytes } from '../plugins/send-bytes.ts'
import { publicEntries, type StoredEntry } from '../staging/manifests.ts'
import { chooseAnswer, type EntryAnswer, etagOf } from './conditional.ts'
import { contracts } from './contracts.ts'
import { canRedirect, sendRedirect, urlSeconds } from './redirect.ts'
import type { RouteOptions } from './route-options.ts'
import { BundleParams, Manifest } from './schemas.ts'

/** What these routes are given. */
interface EntriesOptions extends RouteOptions {
  /** Whether downloads are sent to the store itself, where it can be reached. */
  readonly redirects: boolean
}

/** `/api/v1/bundles/{ns}/{id}`: the manifest and the bytes, for whoever holds the download token. */
export const entriesRoute: FastifyPluginAsyncTypebox<EntriesOptions> = async (
  app,
  { staging, tokens, downloads, redirects }
) => {
  app.addHook('onRequest', requireDownloadToken(tokens))

  const read = { params: BundleParams, response: { 200: Manifest } }
  app.get('/', { config: { contract: contracts.read }, schema: read }, async request => {
    const { ns, id } = request.params
    const { entries, ...rest } = await staging.bundles.read(ns, id)
    request.audited = { digest: describeBundle(entries).digest }
    return { ...rest, entries: [...publicEntries(entries)] }
  })

  const EntryParams = Type.Object({ ...BundleParams.properties, '*': Type.String() })

  const download = { config: { contract: contracts.download }, schema: { params: EntryParams } }
  app.get('/entries/*', download, async (request, reply) => {
    const { ns, id, '*': path } = request.params
    const entry = await staging.bundles.findEntry(ns, id, path)
    const answer = chooseAnswer(request.method, request.headers, entry)
    const { start, end } = answer.range
    request.audited = { entry: entry.path, digest: entry.sha256, bytes: end - start }
    if (answer.status === 416) {
      reply.header('content-range', `bytes */${entry.sizeBytes}`)
      throw new StagingError('STAGE_ERR_RANGE', {
        expected: `a range within ${entry.sizeBytes} bytes`,
        found: String(request.headers.range)
      })
    }
    if (redirects && canRedirect(request.method, request.headers, answer)) {
      const url = await staging.bundles.presign(entry, urlSeconds)
      // It waits for no turn: the queue bounds what is sent at once, and here nothing is.
      if (url !== undefined) return sendRedirect(reply, url)
    }
    const { status, range } = answer
    const bytes = { status, range, entry, headers: entryHeaders(entry, answer) }
    await sendBytes(request, reply, { bundles: staging.bundles, downloads }, bytes)
  })
}

function entryHeaders(entry: StoredEntry, { status, range }: EntryAnswer): Record<string, string | number> {
  return {
    etag: etagOf(entry.sha256),
    'accept-ranges': 'bytes',
    // A proxy that compresses or keeps what only a token opens would break both promises.
    'cache-control': 'private, no-transform',
    ...(status === 304 ? {} : { 'content-length': range.end - range.start }),
    ...(status === 304
      ? {}
      : { 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' }),
    ...(status === 206 ? { 'content-range': `bytes ${range.start}-${range.end - 1}/${entry.sizeBytes}` } : {})
  }
}
