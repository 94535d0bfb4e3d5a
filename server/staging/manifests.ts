import { LRUCache } from 'lru-cache'
import type { Entry, Manifest } from '../../shared/manifest.ts'
import { readIfThere, type StorageDriver } from '../storage/storage-driver.ts'
import { type Attempt, manifestKey } from './keys.ts'

/** An entry, and the number of the data object that holds its bytes; entries with equal bytes share one. */
export interface StoredEntry extends Entry {
  readonly data: number
}

/** A manifest as it lies in the store, and the attempt that wrote it. */
export interface StoredManifest extends Omit<Manifest, 'entries'>, Attempt {
  readonly entries: readonly StoredEntry[]
}

/** How many entries of manifests are remembered in all: about 25 MB. */
const rememberedEntriesCount = 50_000

/** Manifests in the store: written once, so what was read can be remembered. */
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

  /** @returns undefined when there is none */
  async find(attempt: Attempt): Promise<StoredManifest | undefined> {
    const key = manifestKey(attempt)
    const remembered = this.#remembered.get(key)
    if (remembered !== undefined) return remembered
    const found = await readIfThere(this.#store, key)
    if (found === undefined) return undefined
    // A boundary: only this class writes these objects.
    const manifest = JSON.parse(found.text) as StoredManifest
    this.#remembered.set(key, manifest)
    return manifest
  }

  /** Called when a bundle ends: its id may come again, much later, for other entries. */
  forget(attempt: Attempt): void {
    this.#remembered.delete(manifestKey(attempt))
  }
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
