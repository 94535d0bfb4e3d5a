import type { Writable } from 'node:stream'
import type { ExitCause } from '../shared/exit-codes.ts'
import { openReport, type Progress, type Report } from '../shared/progress.ts'
import { formatBytes } from '../shared/units.ts'
import type { StorePlace } from './config.ts'
import { beginCopy, finishCopy, isEmpty, refuseUnfinishedCopy } from './staging/copying/copy-mark.ts'
import { type CopyReport, copyStore } from './staging/copying/copy-store.ts'
import { openExistingStorage, openStorage } from './storage/open-storage.ts'
import { type StorageDriver, StorageError } from './storage/storage-driver.ts'
import { showVerification, type Terminal } from './verify-command.ts'

/** Two stores that no server runs on. */
export interface CopyPlaces {
  readonly from: StorePlace
  readonly to: StorePlace
}

/** Why a copy did not come to its end, by the kind of failure; anything else is a fault. */
const failureCauses: Readonly<Partial<Record<string, ExitCause>>> = {
  'no-space': 'noSpace',
  unavailable: 'gaveUp'
}

/**
 * `spark-stage-server copy`: copies a store to where nothing is yet, or goes on with that, and then looks at the whole
 * copy.
 *
 * @param now milliseconds since some fixed moment
 * @returns how to end: `ok`; `unsound` when something is wrong with the copy, as it was with the store; `noSpace`,
 *   `gaveUp` or `internal` when it did not come to its end
 * @throws Error when one of the stores cannot be had, or is not what it should be; then nothing was copied
 */
export async function copyCommand(
  { from, to }: CopyPlaces,
  terminal: Terminal,
  signal: AbortSignal,
  now = () => performance.now()
): Promise<ExitCause> {
  refuseNested(from.url, to.url)
  const source = await openExistingStorage(from.url, { s3: from.s3 })
  try {
    await refuseUnfinishedCopy(source)
    if (await isEmpty(source)) throw new StorageError('not-found', `there is nothing to copy in ${from.url}`)
    const target = await openStorage(to.url, { s3: to.s3 })
    try {
      const isResumed = await beginCopy(target, from.url)
      return await run({ source, target, isResumed }, terminal, signal, now)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** A store within another would be taken for a part of it. */
function refuseNested(from: string, to: string): void {
  const [a, b] = [from, to].map(url => `${new URL(url).href.replace(/\/+$/, '')}/`) as [string, string]
  if (!a.startsWith(b) && !b.startsWith(a)) return
  const found = a === b ? 'the same twice' : 'one within the other'
  throw new Error(`--from and --to: expected two stores, found ${found}: ${from} and ${to}`)
}

async function run(
  copying: { readonly source: StorageDriver; readonly target: StorageDriver; readonly isResumed: boolean },
  terminal: Terminal,
  signal: AbortSignal,
  now: () => number
): Promise<ExitCause> {
  const { stdout, stderr } = terminal
  try {
    const report = await openReport(stderr.isTTY === true ? 'bar' : 'lines', stderr, now)
    const shown = new ShownCopy(report, stdout)
    const { bundlesCount, copiedBytes, keptBytes } = await copyStore(copying, shown, signal).finally(() =>
      shown.end()
    )
    const kept = keptBytes === 0 ? '' : `; ${formatBytes(keptBytes)} were there already`
    stdout.write(`copied     ${formatBytes(copiedBytes)}, bundles ${bundlesCount}${kept}\n`)
    const cause = await showVerification(copying.target, terminal, signal, now)
    await finishCopy(copying.target)
    return cause
  } catch (error) {
    // A boundary: nothing but Errors is thrown here.
    const why = signal.aborted ? 'stopped before the end' : (error as Error).message
    stderr.write(
      `spark-stage-server: ${why}; the same command goes on with the copy, and no server takes it before\n`
    )
    return (error instanceof StorageError ? failureCauses[error.failure] : undefined) ?? 'internal'
  }
}

/** Shows a copy as it goes on. */
class ShownCopy implements CopyReport {
  readonly #report: Report
  readonly #stdout: Writable
  #progress: Progress | undefined

  constructor(report: Report, stdout: Writable) {
    this.#report = report
    this.#stdout = stdout
  }

  copying(totalBytes: number): void {
    this.#progress = this.#report.begin('Copying', totalBytes)
  }

  moved(bytes: number): void {
    this.#progress?.move(bytes)
  }

  leftOut(key: string, why: string): void {
    this.#report.note(`left out: ${key}: ${why}`, this.#stdout)
  }

  end(): void {
    this.#progress?.end()
  }
}
