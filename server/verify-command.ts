import type { Writable } from 'node:stream'
import type { ExitCause } from '../shared/exit-codes.ts'
import { openReport, type Progress, type Report } from '../shared/progress.ts'
import { formatBytes, secondMs } from '../shared/units.ts'
import type { StorePlace } from './config.ts'
import { isEmpty } from './staging/copying/copy-mark.ts'
import { Usage, usedBytes } from './staging/usage.ts'
import { type Finding, problemTable } from './staging/verification/findings.ts'
import { isWrong, type LedgerVerdict } from './staging/verification/ledger-check.ts'
import { type VerifyReport, type VerifySummary, verifyStore } from './staging/verification/verify-store.ts'
import { isS3, openExistingStorage } from './storage/open-storage.ts'
import { type StorageDriver, StorageError } from './storage/storage-driver.ts'

/** Where the command writes: findings and summary are its result, progress is not. */
export interface Terminal {
  readonly stdout: Writable
  readonly stderr: Writable & { readonly isTTY?: boolean }
}

/** Time between two lines that say how many bundles were looked at. */
const lookedIntervalMs = 3 * secondMs

/**
 * `spark-stage-server verify`: looks at a store, and says what is wrong with it.
 *
 * @param place of a store that no server runs on
 * @param now milliseconds since some fixed moment
 * @returns how to end: `ok`; `unsound` when anything was found; `internal` when it could not be looked at to the end
 * @throws StorageError when the store cannot be had
 */
export async function verifyCommand(
  { url, s3 }: StorePlace,
  { stdout, stderr }: Terminal,
  signal: AbortSignal,
  now = () => performance.now()
): Promise<ExitCause> {
  const store = await openExistingStorage(url, { s3 })
  const fail = (error: Error) => {
    const why = signal.aborted ? 'stopped before the end' : error.message
    stderr.write(`spark-stage-server: ${why}; nothing was changed\n`)
    return 'internal' as const
  }
  try {
    // A folder has a lock where there is a store; of a bucket only what is in it tells.
    if (isS3(url) && (await isEmpty(store))) throw new StorageError('not-found', `no store in ${url}`)
    return await showVerification(store, { stdout, stderr }, signal, now).catch(fail)
  } finally {
    await store.close()
  }
}

/** Looks at an open store, and shows what is wrong with it. @throws StorageError when it cannot be looked at to the end */
export async function showVerification(
  store: StorageDriver,
  { stdout, stderr }: Terminal,
  signal: AbortSignal,
  now: () => number
): Promise<'ok' | 'unsound'> {
  const report = await openReport(stderr.isTTY === true ? 'bar' : 'lines', stderr, now)
  const shown = new ShownReport(report, stdout, now)
  const summary = await verifyStore(store, shown, signal).finally(() => shown.end())
  const ledger = describeLedger(summary.ledger, await setRight(store, summary.ledger))
  stdout.write(describeSummary(summary, ledger))
  const { damaged, orphan, unmarked } = summary.findings
  return damaged + orphan + unmarked === 0 ? 'ok' : 'unsound'
}

/**
 * What each namespace is counted with follows from its leases, as long as no server changes both.
 *
 * @returns whether it is right now; false when it was changed meanwhile
 */
async function setRight(store: StorageDriver, verdict: LedgerVerdict): Promise<boolean> {
  const { seen, found } = verdict
  if (found === undefined || !isWrong(verdict)) return true
  return new Usage(store).correct(found, seen)
}

function describeLedger(verdict: LedgerVerdict, isRight: boolean): string {
  const { seen, found } = verdict
  if (found === undefined) return 'not checked: it follows from the leases, and some are damaged'
  if (!isWrong(verdict)) return 'counts what is there'
  if (!isRight) return 'not checked: a server changed it meanwhile; stop all servers and verify again'
  if (seen.ledger === undefined) return 'could not be read; made anew'
  const { heldBytes, reservedBytes } = usedBytes(seen.ledger)
  return `counted ${formatBytes(heldBytes)} held and ${formatBytes(reservedBytes)} reserved; set right`
}

/** Shows a verification as it goes on. */
class ShownReport implements VerifyReport {
  readonly #report: Report
  readonly #stdout: Writable
  readonly #now: () => number
  #progress: Progress | undefined
  #shownAtMs: number

  constructor(report: Report, stdout: Writable, now: () => number) {
    this.#report = report
    this.#stdout = stdout
    this.#now = now
    this.#shownAtMs = now()
  }

  found(finding: Finding): void {
    this.#report.note(describeFinding(finding), this.#stdout)
  }

  looked(bundlesCount: number): void {
    const nowMs = this.#now()
    if (nowMs - this.#shownAtMs < lookedIntervalMs) return
    this.#shownAtMs = nowMs
    this.#report.note(`Looking: bundle ${bundlesCount}`)
  }

  reading(totalBytes: number): void {
    this.#progress = this.#report.begin('Reading', totalBytes)
  }

  read(bytes: number): void {
    this.#progress?.move(bytes)
  }

  end(): void {
    this.#progress?.end()
  }
}

/** One line: how bad, which bundle, what is wrong with which object, and what to do about it. */
function describeFinding({ problem, key, bundleId, namespace, path, expected, found }: Finding): string {
  const { severity, sentence, todo } = problemTable[problem]
  const bundle = bundleId === undefined ? '' : ` ${namespace === undefined ? '' : `${namespace}/`}${bundleId}`
  const file = path === undefined ? '' : ` (${path})`
  return `${severity}${bundle}: ${sentence}: ${key}${file}: expected ${expected}, found ${found}. ${todo} [${problem}]`
}

function describeSummary(summary: VerifySummary, ledger: string): string {
  const { bundles, held, readBytes, findings, ...more } = summary
  const lines = [
    `bundles    committed ${bundles.committed}, draft ${bundles.draft}, ended ${bundles.ended}`,
    `read       ${formatBytes(readBytes)}`,
    ...Object.entries(held).map(([namespace, { bytes, bundlesCount }]) => {
      return `held       ${formatBytes(bytes)} in namespace ${namespace}, committed ${bundlesCount}`
    }),
    `ledger     ${ledger}`,
    `pending    ${more.pending}, which sweeps will settle`,
    `leftovers  unfinished writes ${more.unfinishedWrites}, hints that lead nowhere ${more.lostHints}: harmless`,
    `findings   damaged ${findings.damaged}, orphan ${findings.orphan}, unmarked ${findings.unmarked}`
  ]
  return `${lines.join('\n')}\n`
}
