import { createHash } from 'node:crypto'
import type { Entry } from '../../shared/manifest.ts'

/** One row of the table of what is audited. */
export interface AuditRow {
  readonly sentence: string
  /** What its line says when it is done, beyond what every audit line says: outcome, namespace and bundle. */
  readonly fields: readonly string[]
}

/**
 * What is audited: everything that changes a bundle or gives its files away. `docs/operations.md` is held equal to this
 * table by a test.
 */
export const auditTable = {
  stage: {
    sentence: 'A bundle was staged and committed by one request.',
    fields: ['principal', 'from', 'digest', 'bytes']
  },
  declare: {
    sentence: 'A draft was declared; what the namespace has of its bytes is part of it from then on.',
    fields: ['principal', 'from', 'bytes']
  },
  upload: {
    sentence: 'A draft was sent the bytes of one digest.',
    fields: ['principal', 'from', 'digest', 'bytes']
  },
  commit: { sentence: 'A draft was committed.', fields: ['principal', 'from', 'digest', 'bytes'] },
  sign: { sentence: 'The download token of a bundle was signed again.', fields: ['principal', 'from'] },
  renew: { sentence: 'A bundle was given another full lease.', fields: ['principal', 'from'] },
  revoke: {
    sentence: 'A bundle or draft was ended and removed, because an uploader asked for it.',
    fields: ['principal', 'from']
  },
  read: { sentence: 'The manifest of a bundle was read.', fields: ['from', 'digest'] },
  download: { sentence: 'Bytes of a file were sent.', fields: ['from', 'entry', 'digest', 'bytes'] },
  remove: {
    sentence: 'A bundle or draft was ended and removed, because its lease had run out.',
    fields: ['stagedBy', 'reason']
  }
} as const satisfies Readonly<Record<string, AuditRow>>

export type AuditedAction = keyof typeof auditTable

/** How an audited event ended. */
export type Outcome = 'done' | 'redirected' | 'refused' | 'failed' | 'cut off'

/** What a log line says of an audited request, beyond who asked and for what. Unknown is left out; nothing is secret. */
export interface AuditDetails {
  /** When the route alone does not tell. */
  readonly action?: AuditedAction
  readonly namespace?: string
  readonly bundleId?: string
  /** Path of a downloaded file below the staging directory. */
  readonly entry?: string
  /** SHA-256, lowercase hex: of a file's bytes, or of a bundle as {@link bundleDigest} has it. */
  readonly digest?: string
  /** How many bytes were staged or asked for. */
  readonly bytes?: number
}

/** How a request ended, by the status of its answer. */
export function outcomeOf(status: number, isAnswered: boolean): Outcome {
  if (!isAnswered) return 'cut off'
  if (status === 307) return 'redirected'
  if (status < 400) return 'done'
  return status < 500 ? 'refused' : 'failed'
}

/** What there is to audit of a staged bundle. */
export function describeBundle(
  entries: readonly Pick<Entry, 'path' | 'sha256' | 'sizeBytes'>[]
): Required<Pick<AuditDetails, 'digest' | 'bytes'>> {
  const bytes = entries.reduce((sumBytes, { sizeBytes }) => sumBytes + sizeBytes, 0)
  return { digest: bundleDigest(entries), bytes }
}

/**
 * One digest for all files of a bundle. Whoever has the manifest can compute it again:
 * `jq -r '.entries[] | .sha256 + "  " + .path' manifest.json | sha256sum`.
 */
function bundleDigest(entries: readonly Pick<Entry, 'path' | 'sha256'>[]): string {
  const hash = createHash('sha256')
  for (const { sha256, path } of entries) hash.update(`${sha256}  ${path}\n`)
  return hash.digest('hex')
}
