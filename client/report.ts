import type { ReportStyle } from '../shared/progress.ts'

/** Which style fits: JSON wants quiet, a terminal can draw. */
export function chooseStyle(json: boolean, isTerminal: boolean | undefined): ReportStyle {
  if (json) return 'quiet'
  return isTerminal === true ? 'bar' : 'lines'
}

/** Whether colours and signs beyond ASCII are welcome. @see https://no-color.org */
export function isRich(isTerminal: boolean | undefined, noColor: string | undefined): boolean {
  return isTerminal === true && (noColor === undefined || noColor === '')
}

/** Writes a command's result, or a part of it: the only thing that ever goes to standard output. */
export function printResult(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Writes why a command failed to standard error. */
export function printFailure(text: string): void {
  process.stderr.write(`spark-stage: ${text}\n`)
}
