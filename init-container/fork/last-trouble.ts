import type { Report } from '../fetch-bundle.ts'

/** Passes events on, and remembers the last thing that went wrong: the reason, should time run out. */
export class LastTrouble {
  readonly #report: Pick<Report, 'event'>
  found = 'transfers that are still running'

  constructor(report: Pick<Report, 'event'>) {
    this.#report = report
  }

  event(...told: Parameters<Report['event']>): void {
    const [level, , fields] = told
    if (level === 'warn') this.found = `${fields?.['file']}: ${fields?.['found']}`
    this.#report.event(...told)
  }
}
