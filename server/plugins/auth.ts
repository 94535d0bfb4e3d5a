import type { FastifyRequest } from 'fastify'
import { StagingError } from '../../shared/errors.ts'
import { checkNamespace } from '../../shared/names.ts'
import type { UploadIdentity } from '../identity/upload-identity.ts'
import type { Uploader } from '../staging/staging-context.ts'
import type { DownloadTokens } from '../tokens/download-tokens.ts'
import { bearerOf } from './bearer.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on routes guarded by {@link requireUploader}. */
    uploader: Uploader
  }
}

/** A guard for routes below a namespace: who asks may upload there. Runs before any of the body is read. */
export function requireUploader(identity: UploadIdentity) {
  return async (request: FastifyRequest): Promise<void> => {
    const principal = await identity.identify(bearerOf(request.headers.authorization))
    const namespace = checkNamespace(paramOf(request, 'ns'))
    const missing = await principal.missingRight(namespace)
    if (missing !== undefined) {
      throw new StagingError('STAGE_ERR_FORBIDDEN', { subject: namespace, ...missing })
    }
    request.uploader = { namespace, principal: principal.name }
  }
}

/** A guard for routes below a bundle: who asks holds its download token. Runs before the store is touched. */
export function requireDownloadToken(tokens: DownloadTokens) {
  return (request: FastifyRequest): Promise<void> =>
    tokens.verify(bearerOf(request.headers.authorization), paramOf(request, 'ns'), paramOf(request, 'id'))
}

function paramOf(request: FastifyRequest, name: 'ns' | 'id'): string {
  // A boundary: the guards run on routes that have these parameters, before schemas are applied.
  return (request.params as Readonly<Record<'ns' | 'id', string>>)[name]
}
