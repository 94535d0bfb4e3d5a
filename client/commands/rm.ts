import type { Report } from '../../shared/progress.ts'
import { askForBundle } from '../ask-for-bundle.ts'
import { type BundleOutcome, eachBundle } from '../each-bundle.ts'
import { StageServer } from '../http-client.ts'
import type { BundlesOptions } from '../options.ts'
import { readServerOptions } from '../server-options.ts'

/** What `rm --json` prints of a bundle that is removed. */
export interface Removed {
  readonly removed: true
}

/**
 * Revokes bundles: from then on their tokens open nothing, and their bytes are gone.
 *
 * @param onOutcome told of each bundle at once
 * @throws ClientError (usage) before anything is removed
 */
export async function rm(
  options: BundlesOptions,
  report: Report,
  onOutcome: (outcome: BundleOutcome<Removed>) => void,
  signal: AbortSignal
): Promise<readonly BundleOutcome<Removed>[]> {
  await using server = await StageServer.open(
    await readServerOptions(options, options.namespace, report, signal)
  )
  const call = { method: 'DELETE', below: '', parse: (): Removed => ({ removed: true }) } as const
  return await eachBundle(options.bundles, bundle => askForBundle(server, bundle, call, signal), onOutcome)
}

/** One removed bundle for people. */
export function describeRemoved({ bundle }: { readonly bundle: string }): string {
  return `removed   ${bundle}`
}
