import { pMapIterable } from 'p-map'
import { isBundleId, isNamespace, isSha256 } from '../../../shared/names.ts'
import {
  listAll,
  listFolders,
  readIfThere,
  type StorageDriver,
  StorageError
} from '../../storage/storage-driver.ts'
import { distinctData } from '../data-objects.ts'
import {
  type Attempt,
  bundleFolder,
  bundlesRoot,
  dataFolder,
  dataKey,
  dueRoot,
  hintsRoot,
  indexRoot,
  isDueHour,
  leaseKey,
  manifestKey,
  usageKey
} from '../keys.ts'
import type { StoredEntry } from '../manifests.ts'
import { parseStoredManifest } from '../verification/stored-objects.ts'
import { findSurplus } from './surplus.ts'
import { transfer } from './transfer.ts'

/** Two stores that no server uses meanwhile. */
export interface Copying {
  readonly source: StorageDriver
  readonly target: StorageDriver
  /** Whether an earlier copy between them did not come to its end. */
  readonly isResumed: boolean
}

/** Told of what a copy does, as it goes on. */
export interface CopyReport {
  /** There are so many bytes to copy, those that are there already included. */
  copying(totalBytes: number): void
  /** So many more of them are done, or left out. */
  moved(bytes: number): void
  /** The bytes of a file are left out, because they are not what was staged. */
  leftOut(key: string, why: string): void
}

/** What a copy did. */
export interface CopySummary {
  readonly bundlesCount: number
  readonly copiedBytes: number
  /** Bytes that an earlier copy had brought. */
  readonly keptBytes: number
}

/** How many objects are copied at once: of bytes, and of those that are small. */
const parallelBytesCount = 4
const parallelTextsCount = 16

/** What is listed beside the bundles: folders, and in each a small object for every name. */
const lists: readonly {
  readonly root: string
  readonly isFolder: (name: string) => boolean
  readonly isName: (name: string) => boolean
}[] = [
  { root: indexRoot, isFolder: isNamespace, isName: isBundleId },
  { root: hintsRoot, isFolder: isNamespace, isName: isSha256 },
  { root: dueRoot, isFolder: isDueHour, isName: isBundleId }
]

/**
 * Copies all that belongs to a store: bytes, then manifests, lists, usage, and the leases last. As long as a bundle has
 * no lease nothing of it is answered, so a copy that is cut has only what nobody sees. Keys are not part of a store.
 *
 * A copy that is resumed first takes back leases, and whatever the source does not have (any more). What is there
 * already, whole, is not copied again.
 *
 * @throws StorageError when a store fails; then the copy can be resumed
 */
export async function copyStore(
  copying: Copying,
  report: CopyReport,
  signal: AbortSignal
): Promise<CopySummary> {
  return new StoreCopy(copying, report, signal).run()
}

class StoreCopy {
  readonly #stores: Copying
  readonly #report: CopyReport
  readonly #signal: AbortSignal
  /** Ends what runs beside what has failed. */
  readonly #failed = new AbortController()
  #bundlesCount = 0
  #copiedBytes = 0
  #keptBytes = 0

  constructor(stores: Copying, report: CopyReport, signal: AbortSignal) {
    this.#stores = stores
    this.#report = report
    this.#signal = AbortSignal.any([signal, this.#failed.signal])
  }

  async run(): Promise<CopySummary> {
    if (this.#stores.isResumed) await this.#takeBack()
    let totalBytes = 0
    await this.#eachAttempt(parallelTextsCount, async attempt => {
      for (const { sizeBytes } of await this.#dataOf(attempt)) totalBytes += sizeBytes
    })
    this.#report.copying(totalBytes)
    await this.#eachAttempt(parallelBytesCount, attempt => this.#copyBytes(attempt))
    await this.#eachAttempt(parallelTextsCount, attempt => this.#copyText(manifestKey(attempt), 'never'))
    for (const { root, isFolder, isName } of lists) {
      for await (const folder of listFolders(this.#stores.source, root)) {
        if (!isFolder(folder)) continue
        const names = listAll(this.#stores.source, `${root}${folder}/`)
        await this.#each(names, parallelTextsCount, async name => {
          if (isName(name)) await this.#copyText(`${root}${folder}/${name}`)
        })
      }
    }
    await this.#copyText(usageKey)
    await this.#eachBundle(parallelTextsCount, async bundleId => {
      if (await this.#copyText(leaseKey(bundleId))) this.#bundlesCount += 1
    })
    return { bundlesCount: this.#bundlesCount, copiedBytes: this.#copiedBytes, keptBytes: this.#keptBytes }
  }

  /** Leases first: without them nothing is answered that the rest may belie. */
  async #takeBack(): Promise<void> {
    const { source, target } = this.#stores
    await this.#remove(leaseKeys(target))
    for (const root of [bundlesRoot, ...lists.map(list => list.root)]) {
      await this.#remove(findSurplus(source, target, root))
    }
    await target.abortUnfinished?.(bundlesRoot)
  }

  async #remove(keys: AsyncIterable<string>): Promise<void> {
    let page: string[] = []
    for await (const key of keys) {
      this.#signal.throwIfAborted()
      page.push(key)
      if (page.length < 1000) continue
      await this.#stores.target.delete(page)
      page = []
    }
    await this.#stores.target.delete(page)
  }

  async #copyBytes(attempt: Attempt): Promise<void> {
    const { target } = this.#stores
    const there = new Set(await Array.fromAsync(listAll(target, dataFolder(attempt))))
    for (const entry of await this.#dataOf(attempt)) {
      this.#signal.throwIfAborted()
      const key = dataKey(attempt, entry.data)
      if (there.has(String(entry.data)) && (await target.sizeOf(key)) === entry.sizeBytes) {
        this.#keptBytes += entry.sizeBytes
        this.#report.moved(entry.sizeBytes)
      } else await this.#transfer(key, entry)
    }
  }

  async #transfer(key: string, entry: StoredEntry): Promise<void> {
    let movedBytes = 0
    const onBytes = (bytes: number) => {
      movedBytes += bytes
      this.#report.moved(bytes)
    }
    const why = await transfer(this.#stores, key, entry, onBytes, this.#signal)
    if (why === undefined) {
      this.#copiedBytes += entry.sizeBytes
      return
    }
    this.#report.moved(entry.sizeBytes - movedBytes)
    this.#report.leftOut(key, why)
  }

  /** What the source has of what an attempt's manifest names. Bytes that none names would only be swept. */
  async #dataOf(attempt: Attempt): Promise<readonly StoredEntry[]> {
    const { source } = this.#stores
    const manifest = await readIfThere(source, manifestKey(attempt))
    if (manifest === undefined) return []
    const here = new Set(await Array.fromAsync(listAll(source, dataFolder(attempt))))
    return distinctData(readEntries(manifest.text, attempt)).filter(({ data }) => here.has(String(data)))
  }

  /**
   * @param changes whether the object ever changes at the source: a copy that was cut may have an older one
   * @returns whether the source has it
   */
  async #copyText(key: string, changes: 'sometimes' | 'never' = 'sometimes'): Promise<boolean> {
    const { source, target } = this.#stores
    const wanted = await readIfThere(source, key)
    if (wanted === undefined) return false
    if (await target.create(key, wanted.text)) return true
    const { text, version } = await target.read(key)
    if (text === wanted.text) return true
    if (changes === 'sometimes' && (await target.replace(key, wanted.text, version))) return true
    const todo = 'empty the target and copy again'
    throw new StorageError('broken', `${key}: expected the text that the source has, found another: ${todo}`)
  }

  #eachAttempt(parallelCount: number, work: (attempt: Attempt) => Promise<unknown>): Promise<void> {
    return this.#eachBundle(parallelCount, async bundleId => {
      for await (const name of listFolders(this.#stores.source, bundleFolder(bundleId))) {
        if (/^\d{1,9}$/.test(name)) await work({ bundleId, attempt: Number(name) })
      }
    })
  }

  #eachBundle(parallelCount: number, work: (bundleId: string) => Promise<unknown>): Promise<void> {
    return this.#each(listFolders(this.#stores.source, bundlesRoot), parallelCount, async bundleId => {
      if (isBundleId(bundleId)) await work(bundleId)
    })
  }

  async #each(
    names: AsyncIterable<string>,
    concurrency: number,
    work: (name: string) => Promise<unknown>
  ): Promise<void> {
    const running = new Set<Promise<unknown>>()
    const run = async (name: string) => {
      this.#signal.throwIfAborted()
      const doing = work(name)
      running.add(doing)
      await doing
      running.delete(doing)
    }
    try {
      for await (const _done of pMapIterable(names, run, { concurrency })) this.#signal.throwIfAborted()
    } catch (error) {
      this.#failed.abort(error)
      throw error
    } finally {
      // Whoever is told of the end may close the stores.
      await Promise.allSettled(running)
    }
  }
}

async function* leaseKeys(store: StorageDriver): AsyncGenerator<string> {
  for await (const bundleId of listFolders(store, bundlesRoot)) yield leaseKey(bundleId)
}

/** The entries of a manifest; none when it cannot be read, which is for a verification to tell. */
function readEntries(text: string, attempt: Attempt): readonly StoredEntry[] {
  try {
    const { namespace } = JSON.parse(text)
    return parseStoredManifest(text, namespace, attempt).entries
  } catch {
    return []
  }
}
