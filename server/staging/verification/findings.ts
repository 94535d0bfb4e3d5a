/** How bad a problem is: bytes are lost or wrong, something lies there for nobody, or a bundle would stay for ever. */
export type Severity = 'damaged' | 'orphan' | 'unmarked'

interface ProblemRow {
  readonly severity: Severity
  /** What is wrong, said of one object of the store. */
  readonly sentence: string
  readonly todo: string
}

const restage = 'Restore it from a backup, or revoke the bundle and stage its files again.'
const remove = 'Remove it by hand while no server runs.'

/** Everything that can be wrong with a store. `docs/operations.md` is held equal to this table by a test. */
export const problemTable = {
  'lease-missing': {
    severity: 'damaged',
    sentence: 'a bundle has lost its lease',
    todo: 'Restore the lease from a backup, or remove the folder of the bundle by hand while no server runs.'
  },
  'lease-broken': {
    severity: 'damaged',
    sentence: 'a lease cannot be read',
    todo: 'Restore the lease from a backup, or remove the folder of the bundle by hand while no server runs.'
  },
  'manifest-missing': { severity: 'damaged', sentence: 'the manifest is not there', todo: restage },
  'manifest-broken': { severity: 'damaged', sentence: 'the manifest cannot be read', todo: restage },
  'bytes-missing': { severity: 'damaged', sentence: 'the bytes of a file are not there', todo: restage },
  'bytes-wrong': {
    severity: 'damaged',
    sentence: 'the bytes of a file are not what was staged',
    todo: restage
  },
  'bytes-unreadable': { severity: 'damaged', sentence: 'the bytes of a file cannot be read', todo: restage },
  'not-listed': {
    severity: 'damaged',
    sentence: 'a bundle is not in the index of its namespace',
    todo: 'Create the object, empty: its downloads work, but nobody can list it.'
  },
  'bytes-unnamed': { severity: 'orphan', sentence: 'no manifest names these bytes', todo: remove },
  'index-unfounded': {
    severity: 'orphan',
    sentence: 'the index names a bundle that is not there',
    todo: remove
  },
  'left-behind': {
    severity: 'orphan',
    sentence: 'a bundle that has ended still holds something',
    todo: remove
  },
  unknown: { severity: 'orphan', sentence: 'nothing of this name belongs there', todo: remove },
  'marker-missing': {
    severity: 'unmarked',
    sentence: 'a bundle has no due marker, so no sweep will ever look at it',
    todo: 'Create the object, empty: the next sweep looks at the bundle and files what belongs there.'
  }
} as const satisfies Readonly<Record<string, ProblemRow>>

export type Problem = keyof typeof problemTable

/** One thing that is wrong with a store. */
export interface Finding {
  readonly problem: Problem
  /** The object of the store that it is about. */
  readonly key: string
  readonly bundleId?: string
  /** As far as it is known. */
  readonly namespace?: string
  /** The path of the entry whose bytes it is about. */
  readonly path?: string
  readonly expected: string
  readonly found: string
}
