import { exitCodes } from '../shared/exit-codes.ts'
import { ClientError, exitCodeOf } from './client-error.ts'
import type { BundleName } from './option-values.ts'

/** What became of one of several bundles: a result, or an error in its place. */
export type BundleOutcome<Result extends object> = BundleDone<Result> | BundleFailure

/** `bundle` is `<namespace>/<bundleId>`. */
export type BundleDone<Result extends object> = { readonly bundle: string } & Result

export interface BundleFailure {
  readonly bundle: string
  readonly error: { readonly message: string; readonly exitCode: number }
}

/**
 * Does the same with several bundles, one after the other; a failure does not keep the next from its turn.
 *
 * @param onOutcome told of each at once
 * @throws whatever is no ClientError, and the signal's reason: then the rest is left alone
 */
export async function eachBundle<Result extends object>(
  bundles: readonly BundleName[],
  act: (bundle: BundleName) => Promise<Result>,
  onOutcome: (outcome: BundleOutcome<Result>) => void
): Promise<readonly BundleOutcome<Result>[]> {
  const outcomes: BundleOutcome<Result>[] = []
  for (const name of bundles) {
    const bundle = `${name.namespace}/${name.bundleId}`
    const outcome = await act(name).then(
      result => ({ bundle, ...result }),
      error => ({ bundle, error: { message: messageOf(error), exitCode: exitCodeOf(error) } })
    )
    outcomes.push(outcome)
    onOutcome(outcome)
  }
  return outcomes
}

/** Whether this bundle has an error in place of its result. */
export function isFailure(outcome: BundleOutcome<object>): outcome is BundleFailure {
  return 'error' in outcome
}

/** The exit code of the first failure, or that of success. */
export function exitCodeOfAll(outcomes: readonly BundleOutcome<object>[]): number {
  return outcomes.find(isFailure)?.error.exitCode ?? exitCodes.ok.code
}

/** A failure of this one bundle in words; anything else ends them all. */
function messageOf(error: unknown): string {
  if (error instanceof ClientError) return error.message
  throw error
}
