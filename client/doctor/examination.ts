import type { ExitCause } from '../../shared/exit-codes.ts'
import { ClientError } from '../client-error.ts'
import { RetryableError } from '../retry.ts'

/** How a check ended. `warned`: it works, but not as it should. `skipped`: a check before it failed. */
export type CheckState = 'passed' | 'warned' | 'failed' | 'skipped'

/** One line of the examination. */
export interface CheckLine {
  readonly check: string
  readonly state: CheckState
  /** What was found; of a failure also what was expected and what to do, one line each. */
  readonly message: string
  /** Of a failure: what a command would end with. */
  readonly exitCause?: ExitCause
}

/** What a check found, for the checks that go on from it, and a sentence about it. */
export interface Finding<Found> {
  readonly found: Found
  readonly message: string
  /** A line below the sentence: what should be mended though it works. */
  readonly warning?: string
}

/** A check's end, as the checks that depend on it see it. */
export type Outcome<Found> =
  | { readonly passed: true; readonly found: Found }
  | {
      readonly passed: false
      /** The check that failed, this one or one before it. */
      readonly because: string
    }

type Founds<Needs extends readonly unknown[]> = {
  [Index in keyof Needs]: Needs[Index] extends Outcome<infer Found> ? Found : never
}

/** Checks, one after the other, each only when those that it depends on have passed. */
export class Examination {
  readonly #lines: CheckLine[] = []
  readonly #onLine: (line: CheckLine) => void

  /** @param onLine told of each line at once */
  constructor(onLine: (line: CheckLine) => void) {
    this.#onLine = onLine
  }

  get lines(): readonly CheckLine[] {
    return this.#lines
  }

  /**
   * One check. What it throws to say that something is wrong becomes its line.
   *
   * @param needs what it depends on; `work` is given what they found
   * @throws whatever `work` throws that is neither ClientError nor RetryableError
   */
  async check<const Needs extends readonly Outcome<unknown>[], Found>(
    check: string,
    needs: Needs,
    work: (...found: Founds<Needs>) => Finding<Found> | Promise<Finding<Found>>
  ): Promise<Outcome<Found>> {
    const blocked = needs.find(need => !need.passed)
    if (blocked !== undefined) {
      this.#add({ check, state: 'skipped', message: `not checked, because of: ${blocked.because}` })
      return blocked
    }
    try {
      // All of them passed, and tuples do not survive filter and map.
      const founds = needs.map(need => need.passed && need.found) as unknown as Founds<Needs>
      const { found, message, warning } = await work(...founds)
      const state = warning === undefined ? 'passed' : 'warned'
      this.#add({ check, state, message: warning === undefined ? message : `${message}\n  ${warning}` })
      return { passed: true, found }
    } catch (error) {
      this.#add({ check, state: 'failed', ...failureIn(error) })
      return { passed: false, because: check }
    }
  }

  #add(line: CheckLine): void {
    this.#lines.push(line)
    this.#onLine(line)
  }
}

/** Something that does not have to be checked. */
export function given<Found>(found: Found): Outcome<Found> {
  return { passed: true, found }
}

function failureIn(error: unknown): Pick<CheckLine, 'message' | 'exitCause'> {
  if (error instanceof ClientError) return { message: error.message, exitCause: error.exitCause }
  // What a command would repeat until it gives up.
  if (error instanceof RetryableError) return { message: error.message, exitCause: 'gaveUp' }
  throw error
}
