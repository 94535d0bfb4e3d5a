import { isBundleId } from '../../shared/names.ts'
import { type SmallObject, type StorageDriver, StorageError } from '../storage/storage-driver.ts'
import { dataKey, hintKey } from './keys.ts'
import type { Manifests, StoredEntry } from './manifests.ts'

/**
 * Where the bytes of a namespace were seen last, so that nobody sends them twice. A hint is only where to look: what
 * counts is the manifest of the bundle it names, and that the bytes are still there.
 */
export class Hints {
  readonly #store: StorageDriver
  readonly #manifests: Manifests

  constructor(store: StorageDriver, manifests: Manifests) {
    this.#store = store
    this.#manifests = manifests
  }

  /** Gives `entry` of `bundleId` its bytes, if the namespace has them. @returns whether it did */
  async claim(namespace: string, bundleId: string, entry: StoredEntry): Promise<boolean> {
    const sourceId = (await this.#read(hintKey(namespace, entry.sha256)))?.text
    if (sourceId === undefined || sourceId === bundleId || !isBundleId(sourceId)) return false
    const manifest = await this.#manifests.find(sourceId)
    if (manifest?.namespace !== namespace) return false
    const source = manifest.entries.find(
      ({ sha256, sizeBytes }) => sha256 === entry.sha256 && sizeBytes === entry.sizeBytes
    )
    if (source === undefined) return false
    const claimed = await this.#store.copy(dataKey(sourceId, source.data), dataKey(bundleId, entry.data))
    // The newer bundle stays longer.
    if (claimed) await this.remember(namespace, bundleId, entry.sha256)
    return claimed
  }

  /**
   * Notes that `bundleId` has these bytes. When another hint is written at the same time, either may win. A store that
   * cannot take it is no reason to fail a request whose bytes are stored.
   */
  async remember(namespace: string, bundleId: string, sha256: string): Promise<void> {
    const key = hintKey(namespace, sha256)
    try {
      const hint = await this.#read(key)
      if (hint === undefined) await this.#store.create(key, bundleId)
      else if (hint.text !== bundleId) await this.#store.replace(key, bundleId, hint.version)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
    }
  }

  async #read(key: string): Promise<SmallObject | undefined> {
    try {
      return await this.#store.read(key)
    } catch (error) {
      if (error instanceof StorageError && error.failure === 'not-found') return undefined
      throw error
    }
  }
}
