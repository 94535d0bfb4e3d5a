import type { FastifyRequest } from 'fastify'
import type { DownloadQueue } from '../plugins/download-queue.ts'
import type { Drain } from '../plugins/drain.ts'
import type { CommittedLease } from '../staging/lease.ts'
import type { Staging } from '../staging/staging.ts'
import type { StagingLimits } from '../staging/staging-context.ts'
import type { DownloadTokens } from '../tokens/download-tokens.ts'

/** What the routes are given. */
export interface RouteOptions {
  readonly staging: Staging
  readonly tokens: DownloadTokens
  readonly drain: Drain
  readonly downloads: DownloadQueue
  readonly limits: StagingLimits
}

/** The `Idempotency-Key` header; sent twice, it is one value with a comma, as any other header. */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  return request.raw.headersDistinct['idempotency-key']?.join(', ')
}

/** The length of the request's body, if it says so: Node lets no more than that through. */
export function announcedBytesOf(request: FastifyRequest): number | undefined {
  const length = request.headers['content-length']
  return length === undefined ? undefined : Number(length)
}

/** What an uploader gets for a committed bundle: its id, a token, and the end of its lease. */
export async function stagedAnswer(
  tokens: DownloadTokens,
  bundleId: string,
  lease: CommittedLease
): Promise<{ bundleId: string; token: string; expiresAt: string }> {
  return {
    bundleId,
    token: await tokens.sign(lease.namespace, bundleId, lease.tokenExpiresAtMs),
    expiresAt: new Date(lease.expiresAtMs).toISOString()
  }
}
