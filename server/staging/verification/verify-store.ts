import { pMapIterable } from 'p-map'
import { isBundleId } from '../../../shared/names.ts'
import { listFolders, type StorageDriver } from '../../storage/storage-driver.ts'
import { bundlesRoot } from '../keys.ts'
import type { Lease } from '../lease.ts'
import { addHeld, type Held, Usage } from '../usage.ts'
import { bundleWindows } from './bundle-windows.ts'
import { type BundleLook, checkBundle } from './check-bundle.ts'
import { checkDigests } from './check-digests.ts'
import { checkHours, checkIndexes, countLostHints } from './check-lists.ts'
import { type Finding, problemTable, type Severity } from './findings.ts'
import { LedgerCheck, type LedgerVerdict } from './ledger-check.ts'

/** What a store holds, and how it is. Counts are of bundles unless they say otherwise. */
export interface VerifySummary {
  readonly bundles: Readonly<Record<Lease['state'], number>>
  /** By namespace: what its committed bundles hold, shared below or not. */
  readonly held: Readonly<Record<string, Held>>
  /** Bytes that were read and hashed. */
  readonly readBytes: number
  readonly ledger: LedgerVerdict
  /** How many findings there are. */
  readonly findings: Readonly<Record<Severity, number>>
  /** In which sweeps to come have something to take away or to settle, as it should be. */
  readonly pending: number
  /** Hints that lead nowhere, which only costs an upload. */
  readonly lostHints: number
  /** Writes that a crash cut off; the next start of a server removes them. */
  readonly unfinishedWrites: number
}

/** Told of what a verification does, as it goes on. */
export interface VerifyReport {
  found(finding: Finding): void
  /** So many bundles were looked at so far. */
  looked(bundlesCount: number): void
  /** All bundles were looked at; what is left is to read so many bytes. */
  reading(totalBytes: number): void
  /** So many more bytes were read. */
  read(bytes: number): void
}

/** How many bundles are looked at together with their markers; their ids take a few MiB. */
const defaultWindowSize = 50_000

/** How many bundles are looked at at once, and how many read: hashing is the limit, one read ahead is enough. */
const parallelLooksCount = 16
const parallelReadsCount = 2

/**
 * Looks at everything in a store that no server uses meanwhile: first at all bundles and lists, then at every byte.
 * It only reads, and its memory does not grow with the number of bundles.
 *
 * @throws StorageError when the store cannot be listed
 */
export async function verifyStore(
  store: StorageDriver,
  report: VerifyReport,
  signal: AbortSignal,
  windowSize = defaultWindowSize
): Promise<VerifySummary> {
  const tally = new Tally(report, new LedgerCheck(await new Usage(store).examine()))
  for await (const finding of checkHours(store)) tally.add(finding)
  for await (const { bundleIds, firstHours } of bundleWindows(store, windowSize)) {
    const look = async (bundleId: string) => {
      signal.throwIfAborted()
      return checkBundle(store, bundleId, firstHours.get(bundleId))
    }
    for await (const looked of pMapIterable(bundleIds, look, { concurrency: parallelLooksCount })) {
      tally.count(looked)
    }
    const known = new Set(bundleIds)
    for (const bundleId of firstHours.keys()) if (!known.has(bundleId)) tally.countPending()
  }
  for await (const finding of checkIndexes(store, signal)) tally.add(finding)
  const lostHints = await countLostHints(store, signal)
  const unfinishedWrites = await store.countUnfinished()

  report.reading(tally.readableBytes)
  const read = async (bundleId: string) => {
    signal.throwIfAborted()
    return isBundleId(bundleId) ? checkDigests(store, bundleId, bytes => tally.read(bytes), signal) : []
  }
  const bundleIds = listFolders(store, bundlesRoot)
  for await (const findings of pMapIterable(bundleIds, read, { concurrency: parallelReadsCount })) {
    for (const finding of findings) tally.add(finding)
  }
  return { ...tally.result(), lostHints, unfinishedWrites }
}

/** Counts what is found, and tells of it. */
class Tally {
  readonly #report: VerifyReport
  readonly #bundles = { draft: 0, committed: 0, ended: 0 }
  #held: Readonly<Record<string, Held>> = {}
  readonly #findings = { damaged: 0, orphan: 0, unmarked: 0 }
  readonly #ledger: LedgerCheck
  #lookedCount = 0
  #pendingCount = 0
  #readBytes = 0
  #readableBytes = 0

  constructor(report: VerifyReport, ledger: LedgerCheck) {
    this.#report = report
    this.#ledger = ledger
  }

  get readableBytes(): number {
    return this.#readableBytes
  }

  count({ bundleId, lease, heldBytes, readableBytes, isPending, findings }: BundleLook): void {
    this.#lookedCount += 1
    this.#readableBytes += readableBytes
    if (lease !== undefined) this.#bundles[lease.state] += 1
    if (lease?.state === 'committed') this.#held = addHeld(this.#held, lease.namespace, heldBytes, 1)
    // A folder that became empty has no lease, and counts for nothing.
    if (lease !== undefined || findings.length > 0) this.#ledger.count(bundleId, lease)
    if (isPending) this.countPending()
    for (const finding of findings) this.add(finding)
    this.#report.looked(this.#lookedCount)
  }

  countPending(): void {
    this.#pendingCount += 1
  }

  add(finding: Finding): void {
    this.#findings[problemTable[finding.problem].severity] += 1
    this.#report.found(finding)
  }

  read(bytes: number): void {
    this.#readBytes += bytes
    this.#report.read(bytes)
  }

  result() {
    return {
      bundles: this.#bundles,
      held: this.#held,
      ledger: this.#ledger.verdict(),
      readBytes: this.#readBytes,
      findings: this.#findings,
      pending: this.#pendingCount
    }
  }
}
