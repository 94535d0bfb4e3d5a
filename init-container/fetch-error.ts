import type { ExitCause } from '../shared/exit-codes.ts'

/** What a failure names, for people and for the exit code. */
export interface Failure {
  /** The row of the exit code table. */
  readonly exit: ExitCause
  /** Which file, folder or option; `jars/a.jar`, `manifest`, `--server`. */
  readonly subject: string
  readonly expected: string
  readonly found: string
}

/** A failure that ends the fetch: one line that names the thing, what was expected and what was found. */
export class FetchError extends Error {
  override readonly name = 'FetchError'
  readonly failure: Failure

  constructor(failure: Failure, cause?: unknown) {
    super(`${failure.subject}: expected ${failure.expected}, found ${failure.found}`, { cause })
    this.failure = failure
  }
}

/** A failure after which asking again may help. `exit` is the cause to end with when patience runs out after it. */
export class TransientError extends Error {
  override readonly name = 'TransientError'
  readonly failure: Failure
  /** Milliseconds the server asked to wait; 0 when it did not. */
  readonly retryAfterMs: number

  constructor(failure: Failure, retryAfterMs = 0, cause?: unknown) {
    super(`${failure.subject}: expected ${failure.expected}, found ${failure.found}`, { cause })
    this.failure = failure
    this.retryAfterMs = retryAfterMs
  }
}

/** The `code` of an error of the system, TLS or undici; empty when there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

const fullDisk: readonly string[] = ['ENOSPC', 'EDQUOT']
const wrongFolder: readonly string[] = [
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EISDIR',
  'EEXIST',
  'ELOOP',
  'ENAMETOOLONG'
]

/** The failure behind an error of the file system below `folder`; any other error is returned as it is. */
export function explainDiskError(error: unknown, folder: string): unknown {
  const code = codeOf(error)
  const exit = fullDisk.includes(code) ? 'noSpace' : wrongFolder.includes(code) ? 'usage' : undefined
  if (exit === undefined || !(error instanceof Error)) return error
  const subject = 'path' in error ? String(error.path) : folder
  const expected = exit === 'noSpace' ? 'free space' : 'a folder that can be written'
  return new FetchError({ exit, subject, expected, found: `${code} (${error.message})` }, error)
}
