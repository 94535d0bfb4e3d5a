import type { Writable } from 'node:stream'
import { formatBytes, formatDuration, secondMs } from './units.ts'

/** How far one phase of the work has come. */
export interface Progress {
  /** @param bytes how many more are done; negative when some have to be done again */
  readonly move: (bytes: number) => void
  readonly end: () => void
}

/** Where a program tells people what goes on. Nothing here is a result, and nothing a secret. */
export interface Report {
  /** @param title what is done now, one word or two */
  begin(title: string, totalBytes: number): Progress
  /** One line worth knowing, such as a retry; over a bar, if one is drawn. @param to where it goes, when not here */
  note(line: string, to?: Writable): void
}

/** `bar` for a terminal, `lines` for logs, `quiet` beside JSON. */
export type ReportStyle = 'bar' | 'lines' | 'quiet'

/** Time between two lines of progress. */
const lineIntervalMs = 3 * secondMs

/**
 * Opens the report of one command.
 *
 * @param out the terminal or log
 * @param now milliseconds since some fixed moment
 */
export async function openReport(
  style: ReportStyle,
  out: Writable,
  now = () => performance.now()
): Promise<Report> {
  if (style === 'quiet') return { begin: () => ({ move: () => {}, end: () => {} }), note: () => {} }
  const note = (line: string, to = out) => void to.write(`${line}\n`)
  if (style === 'lines')
    return { begin: (title, totalBytes) => beginLines(title, totalBytes, note, now), note }
  return openBars(out, now)
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
    note: (line, to = out) => {
      // Over the bar, which is drawn again below.
      if (running !== undefined) out.write('\r\u001b[K')
      to.write(`${line}\n`)
      running?.render()
    }
  }
}

function describeProgress(doneBytes: number, totalBytes: number, tookMs: number): string {
  const done = `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`
  if (tookMs <= 0) return done
  const rate = `${done}, ${formatBytes(Math.round(doneBytes / (tookMs / secondMs)))}/s`
  if (doneBytes <= 0 || doneBytes >= totalBytes) return rate
  return `${rate}, ${formatDuration((tookMs * (totalBytes - doneBytes)) / doneBytes)} left`
}
