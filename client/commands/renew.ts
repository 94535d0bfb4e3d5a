import type { Report } from '../../shared/progress.ts'
import { askForBundle } from '../ask-for-bundle.ts'
import { type BundleDone, type BundleOutcome, eachBundle } from '../each-bundle.ts'
import { formatWhen } from '../format-when.ts'
import { StageServer } from '../http-client.ts'
import type { BundlesOptions } from '../options.ts'
import { parseRenewal } from '../server-answer.ts'
import { readServerOptions } from '../server-options.ts'

/** What `renew --json` prints of a bundle that stays longer. */
export interface Renewed {
  /** RFC 3339. */
  readonly expiresAt: string
}

/**
 * Gives bundles another full lease.
 *
 * @param onOutcome told of each bundle at once
 * @throws ClientError (usage) before anything is renewed
 */
export async function renew(
  options: BundlesOptions,
  report: Report,
  onOutcome: (outcome: BundleOutcome<Renewed>) => void,
  signal: AbortSignal
): Promise<readonly BundleOutcome<Renewed>[]> {
  await using server = await StageServer.open(
    await readServerOptions(options, options.namespace, report, signal)
  )
  return await eachBundle(
    options.bundles,
    bundle => {
      const parse = (json: unknown) => ({ expiresAt: parseRenewal(json, bundle.bundleId) })
      return askForBundle(server, bundle, { method: 'POST', below: '/renew', parse }, signal)
    },
    onOutcome
  )
}

/** One renewed bundle for people. @param nowMs milliseconds since the epoch */
export function describeRenewed({ bundle, expiresAt }: BundleDone<Renewed>, nowMs: number): string {
  return `renewed   ${bundle}\nexpires   ${expiresAt} (${formatWhen(Date.parse(expiresAt), nowMs)})`
}
