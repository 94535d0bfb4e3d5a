/**
 * What is known of a bundle's owner, the pods of its application, at a moment:
 *
 * - `alive`: at least one of its pods has not come to its end
 * - `gone`: a complete answer, asked for now, has none
 * - `unknown`: there is no such answer to be had
 * - `unwatched`: nobody looks after owners in its namespace, so time alone decides
 */
export type OwnerState = 'alive' | 'gone' | 'unknown' | 'unwatched'

/** Whose owner is asked for. */
export interface OwnedBundle {
  readonly namespace: string
  readonly bundleId: string
  /** Labels of the pods that own it, when these are not the ones labelled with its id. Never empty. */
  readonly ownerLabels?: Readonly<Record<string, string>>
}

/** Tells of owners. Knows nothing of leases. */
export interface Owners {
  /** How long a bundle stays after its owner is gone, in milliseconds. */
  readonly graceMs: number
  /** Never throws: what fails is `unknown`. */
  stateOf(bundle: OwnedBundle): Promise<OwnerState>
}

/** Where nobody looks after owners. */
export const noOwners: Owners = { graceMs: 0, stateOf: async () => 'unwatched' }
