import { readIfThere, type StorageDriver, StorageError } from '../storage/storage-driver.ts'
import { type Attempt, dataKey, hintKey } from './keys.ts'
import type { Leases } from './leases.ts'
import type { Manifests, StoredEntry, StoredManifest } from './manifests.ts'

/**
 * Where the bytes of a namespace were seen last, so that nobody sends them twice. A hint is only where to look: what
 * counts is the lease and the manifest of the bundle it names, and that the bytes are still there.
 */
export class Hints {
  readonly #store: StorageDriver
  readonly #leases: Leases
  readonly #manifests: Manifests

  constructor(store: StorageDriver, leases: Leases, manifests: Manifests) {
    this.#store = store
    this.#leases = leases
    this.#manifests = manifests
  }

  /** Gives `entry` of the draft `to` its bytes, if the namespace has them. @returns whether it did */
  async claim(namespace: string, to: Attempt, entry: StoredEntry): Promise<boolean> {
    const from = parseHint((await readIfThere(this.#store, hintKey(namespace, entry.sha256)))?.text)
    if (from === undefined || from.bundleId === to.bundleId) return false
    const lease = await this.#leases.find(from.bundleId)
    if (lease === undefined) return false
    const manifest = await this.#manifests.find(from, lease)
    if (manifest?.namespace !== namespace) return false
    const source = manifest.entries.find(
      ({ sha256, sizeBytes }) => sha256 === entry.sha256 && sizeBytes === entry.sizeBytes
    )
    if (source === undefined) return false
    const claimed = await this.#store.copy(dataKey(from, source.data), dataKey(to, entry.data))
    // The newer bundle stays longer.
    if (claimed) await this.remember(namespace, to, entry.sha256)
    return claimed
  }

  /**
   * Notes that an attempt has these bytes. When another hint is written at the same time, either may win. A store that
   * cannot take it is no reason to fail a request whose bytes are stored.
   */
  async remember(namespace: string, attempt: Attempt, sha256: string): Promise<void> {
    const key = hintKey(namespace, sha256)
    const text = `${attempt.bundleId} ${attempt.attempt}`
    try {
      const hint = await readIfThere(this.#store, key)
      if (hint === undefined) await this.#store.create(key, text)
      else if (hint.text !== text) await this.#store.replace(key, text, hint.version)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
    }
  }

  /** Removes the hints to a bundle that ends. One that came to point elsewhere meanwhile may go with them. */
  async forget(namespace: string, { bundleId, entries }: StoredManifest): Promise<void> {
    for (const { sha256 } of entries) {
      const key = hintKey(namespace, sha256)
      if (parseHint((await readIfThere(this.#store, key))?.text)?.bundleId === bundleId)
        await this.#store.delete([key])
    }
  }
}

/** The attempt that a hint's text names, if it is a hint. */
export function parseHint(text: string | undefined): Attempt | undefined {
  const [, bundleId, attempt] = /^([0-9a-f]{32}) (\d{1,9})$/.exec(text ?? '') ?? []
  return bundleId === undefined ? undefined : { bundleId, attempt: Number(attempt) }
}
