import type { Writable } from 'node:stream'
import { formatBytes, secondMs } from '../shared/units.ts'

/** How far one phase of the work has come. */
export interface Progress {
  /** @param bytes how many more are done; negative when some have to be done again */
  readonly move: (bytes: number) => void
  readonly end: () => void
}

/** Where a command tells people what goes on. Nothing here is a result, and nothing a secret. */
export interface Report {
  /** @param title what is done now, one word or two */
  begin(title: string, totalBytes: number): Progress
  /** One line worth knowing, such as a retry. */
  note(line: string): void
}

/** `bar` for a terminal, `lines` for logs, `quiet` beside JSON. */
export type ReportStyle = 'bar' | 'lines' | 'quiet'

/** Time between two lines of progress. */
const lineIntervalMs = 3 * secondMs

/**
 * Opens the report of one command.
 *
 * @param out the terminal or log, standard error in the program
 * @param now milliseconds since some fixed moment
 */
export async function openReport(
  style: ReportStyle,
  out: Writable = process.stderr,
  now = () => performance.now()
): Promise<Report> {
  if (style === 'quiet') return { begin: () => ({ move: () => {}, end: () => {} }), note: () => {} }
  const note = (line: string) => out.write(`${line}\n`)
  if (style === 'lines')
    return { begin: (title, totalBytes) => beginLines(title, totalBytes, note, now), note }
  return openBars(out, now)
}

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

function beginLines(
  title: string,
  totalBytes: number,
  note: (line: string) => void,
  now: () => number
): Progress {
  const beganAt = now()
  let doneBytes = 0
  let shownAt = beganAt
  const show = () => note(`${title}: ${describeProgress(doneBytes, totalBytes, now() - beganAt)}`)
  const move = (bytes: number) => {
    doneBytes += bytes
    if (now() - shownAt < lineIntervalMs) return
    shownAt = now()
    show()
  }
  return { move, end: show }
}

async function openBars(out: Writable, now: () => number): Promise<Report> {
  const { SingleBar } = (await import('cli-progress')).default
  let running: Pick<InstanceType<typeof SingleBar>, 'render'> | undefined
  return {
    begin: (title, totalBytes) => {
      const beganAt = now()
      let doneBytes = 0
      const text = () => ({ text: describeProgress(doneBytes, totalBytes, now() - beganAt) })
      const format = `${title.padEnd(9)} {bar} {percentage}%  {text}`
      const bar = new SingleBar({
        format,
        // The library writes to any stream; its types know only this one.
        stream: out as NodeJS.WriteStream,
        barsize: 28,
        barCompleteChar: '━',
        barIncompleteChar: '─',
        hideCursor: true,
        // A note erases the bar, which did not change: draw it all the same.
        forceRedraw: true
      })
      bar.start(Math.max(totalBytes, 1), 0, text())
      running = bar
      const move = (bytes: number) => {
        doneBytes += bytes
        bar.update(doneBytes, text())
      }
      const end = () => {
        if (totalBytes === 0) bar.update(1, text())
        bar.stop()
        running = undefined
      }
      return { move, end }
    },
    note: line => {
      // Over the bar, which is drawn again below.
      out.write(running === undefined ? `${line}\n` : `\r\u001b[K${line}\n`)
      running?.render()
    }
  }
}

function describeProgress(doneBytes: number, totalBytes: number, tookMs: number): string {
  const rate = tookMs > 0 ? `, ${formatBytes(Math.round(doneBytes / (tookMs / secondMs)))}/s` : ''
  return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}${rate}`
}
