import { LRUCache } from 'lru-cache'
import type { Entry, Manifest } from '../../shared/manifest.ts'
import { readIfThere, type StorageDriver } from '../storage/storage-driver.ts'
import { type Attempt, manifestKey } from './keys.ts'
import type { Lease } from './lease.ts'

/** An entry, and the number of the data object that holds its bytes; entries with equal bytes share one. */
export interface StoredEntry extends Entry {
  readonly data: number
}

/** A manifest as it lies in the store, and the attempt that wrote it. */
export interface StoredManifest extends Omit<Manifest, 'entries'>, Attempt {
  readonly entries: readonly StoredEntry[]
}

type BundleBegin = Pick<Lease, 'createdAtMs'>

/** How many entries of manifests are remembered in all: about 25 MB. */
const rememberedEntriesCount = 50_000

/**
 * Manifests in the store: written once, so what was read can be remembered, for as long as it is the same bundle. Its id
 * may come again, much later, for other entries, and another server may be the one who knows that it has ended.
 */
export class Manifests {
  readonly #store: StorageDriver
  readonly #remembered = new LRUCache<string, StoredManifest>({
    maxSize: rememberedEntriesCount,
    sizeCalculation: ({ entries }) => entries.length
  })

  constructor(store: StorageDriver) {
    this.#store = store
  }

  /** Writes the manifest; one that is there already stays, since it can only be the same. */
  async create(manifest: StoredManifest): Promise<void> {
    await this.#store.create(manifestKey(manifest), JSON.stringify(manifest))
  }

  /**
   * @param lease of the bundle as it is now: by the time of its beginning one bundle of an id is told from the next
   * @returns undefined when there is none
   */
  async find(attempt: Attempt, lease: BundleBegin): Promise<StoredManifest | undefined> {
    const key = manifestKey(attempt)
    const remembered = this.#remembered.get(nameOf(attempt, lease))
    if (remembered !== undefined) return remembered
    const found = await readIfThere(this.#store, key)
    if (found === undefined) return undefined
    // A boundary: only this class writes these objects.
    const manifest = JSON.parse(found.text) as StoredManifest
    this.#remembered.set(nameOf(attempt, lease), manifest)
    return manifest
  }

  /** Called when a bundle ends: nobody asks for it again. */
  forget(attempt: Attempt, lease: BundleBegin): void {
    this.#remembered.delete(nameOf(attempt, lease))
  }
}

/** Under what a manifest is remembered. */
function nameOf(attempt: Attempt, { createdAtMs }: BundleBegin): string {
  return `${manifestKey(attempt)} ${createdAtMs}`
}

/** What the outside may know of a stored manifest. */
export function publicEntries(entries: readonly StoredEntry[]): readonly Entry[] {
  return entries.map(({ data: _data, ...entry }) => entry)
}

/** Numbers the data objects: the first entry of each digest gives its bytes a number. */
export function numberData(entries: readonly Entry[]): readonly StoredEntry[] {
  const numbers = new Map<string, number>()
  return entries.map(entry => {
    const data = numbers.get(entry.sha256) ?? numbers.size
    numbers.set(entry.sha256, data)
    return { ...entry, data }
  })
}
