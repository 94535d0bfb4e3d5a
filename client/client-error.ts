import { errorTable, StagingError } from '../shared/errors.ts'
import { type ExitCause, exitCodes } from '../shared/exit-codes.ts'

/** Why a command ends without its work done: a text for people, and the cause that decides the exit code. */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly exitCause: ExitCause

  constructor(exitCause: ExitCause, message: string, options: ErrorOptions = {}) {
    super(message, options)
    this.exitCause = exitCause
  }
}

/** An option, a variable or a file is missing or wrong, found before anything was sent. */
export function usageError(message: string, options: ErrorOptions = {}): ClientError {
  return new ClientError('usage', message, options)
}

/**
 * Runs a check of `shared/names.ts`; what it refuses becomes a wrong option.
 *
 * @param what the option or the file that is checked, for messages
 * @throws ClientError (usage) in the words of the error table
 */
export function checkNamed<Checked>(what: string, check: () => Checked): Checked {
  try {
    return check()
  } catch (error) {
    throw error instanceof StagingError ? badName(error, what) : error
  }
}

/** A sentence, and below it what was expected, what was found and what to do, one line each. */
export function describe(
  sentence: string,
  more: {
    readonly expected?: string
    readonly found?: string
    readonly largestFiles?: string
    readonly todo?: string
  }
): string {
  const lines = [sentence]
  if (more.expected !== undefined) lines.push(`  expected: ${more.expected}`)
  if (more.found !== undefined) lines.push(`  found: ${more.found}`)
  if (more.largestFiles !== undefined) lines.push(`  largest files: ${more.largestFiles}`)
  if (more.todo !== undefined) lines.push(`  what to do: ${more.todo}`)
  return lines.join('\n')
}

/** The exit code of whatever ended a command. Anything unforeseen is a fault of the program. */
export function exitCodeOf(error: unknown): number {
  return exitCodes[error instanceof ClientError ? error.exitCause : 'internal'].code
}

function badName(error: StagingError, what: string): ClientError {
  return usageError(
    describe(`${what}: ${error.message}`, { ...error.details, todo: errorTable[error.code].todo }),
    {
      cause: error
    }
  )
}
