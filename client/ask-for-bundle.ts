import { bundlePath } from '../shared/paths.ts'
import { ClientError } from './client-error.ts'
import type { StageServer } from './http-client.ts'
import type { BundleName } from './option-values.ts'
import { RefusedError } from './server-answer.ts'

/** One request about a bundle that exists already. */
export interface BundleCall<Answer> {
  readonly method: 'POST' | 'DELETE'
  /** What hangs below the bundle's path, `/renew` for example; empty for the bundle itself. */
  readonly below: string
  readonly parse: (json: unknown) => Answer
}

/**
 * Asks the server about one bundle.
 *
 * @throws ClientError (gone) also when the server knows no such bundle
 * @throws what {@link StageServer.call} throws
 */
export async function askForBundle<Answer>(
  server: StageServer,
  { namespace, bundleId }: BundleName,
  { method, below, parse }: BundleCall<Answer>,
  signal: AbortSignal
): Promise<Answer> {
  try {
    return await server.call({ method, path: bundlePath(namespace, bundleId) + below, parse }, signal)
  } catch (error) {
    const unknown = error instanceof RefusedError && error.answer.code === 'STAGE_ERR_NOT_FOUND'
    throw unknown ? new ClientError('gone', error.message, { cause: error }) : error
  }
}
