import { dirname } from 'node:path'
import { LRUCache } from 'lru-cache'
import { type Disk, diskErrorCode } from './disk.ts'

/** How many folders are remembered as being on disk for good. */
const rememberedFolders = 10_000

/**
 * The folders of a local store: made so that they survive a crash, and synced once for many changes.
 *
 * A name in a folder is on disk only after the folder was synced; a new folder is a name in its parent.
 */
export class DurableFolders {
  readonly #disk: Disk
  readonly #root: string
  /** Folders known to be on disk, or on their way there. */
  readonly #known = new LRUCache<string, Promise<void>>({ max: rememberedFolders })
  /** Per folder: the sync that is running, and the one that will start after it. */
  readonly #syncs = new Map<string, { running: Promise<void>; next?: Promise<void> }>()

  /** @param root an existing folder, itself on disk; only folders below it are made or removed */
  constructor(disk: Disk, root: string) {
    this.#disk = disk
    this.#root = root
  }

  /** Makes `folder` and what is missing above it; on disk when this resolves. */
  ensure(folder: string): Promise<void> {
    if (folder === this.#root) return Promise.resolve()
    const known = this.#known.get(folder)
    if (known !== undefined) return known
    const making = this.#make(folder)
    this.#known.set(folder, making)
    making.catch(() => this.#known.delete(folder))
    return making
  }

  /** Forgets that `folder` exists, because a change in it found that it does not. */
  forget(folder: string): void {
    for (let path = folder; path !== this.#root; path = dirname(path)) this.#known.delete(path)
  }

  /**
   * Resolves once all changes made to `folder` before this call are on disk. Calls that come while a sync runs share
   * the one after it. A folder that is gone is synced.
   */
  sync(folder: string): Promise<void> {
    const current = this.#syncs.get(folder)
    if (current === undefined) {
      const running = this.#syncOnce(folder)
      const entry = { running }
      this.#syncs.set(folder, entry)
      return running.finally(() => this.#settle(folder, entry))
    }
    current.next ??= current.running.catch(() => {}).then(() => this.sync(folder))
    return current.next
  }

  /**
   * Puts removals from `folder` on disk. It goes as well if it is empty, and so do the folders above it; then one sync of
   * the folder that stays is enough, since what lay in the others is gone with them.
   */
  async prune(folder: string): Promise<void> {
    let path = folder
    while (path !== this.#root && (await this.#removeIfEmpty(path))) path = dirname(path)
    await this.sync(path)
  }

  async #removeIfEmpty(folder: string): Promise<boolean> {
    try {
      await this.#disk.rmdir(folder)
    } catch (error) {
      const code = diskErrorCode(error)
      if (code === 'ENOTEMPTY') return false
      if (code !== 'ENOENT') throw error
    }
    // Whoever took it for known until now finds out, and forgets it himself.
    this.#known.delete(folder)
    return true
  }

  async #make(folder: string): Promise<void> {
    const parent = dirname(folder)
    await this.ensure(parent)
    try {
      await this.#disk.mkdir(folder, { mode: 0o700 })
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') this.forget(parent)
      // One that exists may have been made by a process that died before its sync: it is synced like a new one.
      if (diskErrorCode(error) !== 'EEXIST') throw error
    }
    await this.sync(parent)
  }

  async #syncOnce(folder: string): Promise<void> {
    try {
      const handle = await this.#disk.open(folder, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOENT') throw error
    }
  }

  #settle(folder: string, entry: { running: Promise<void>; next?: Promise<void> }): void {
    if (this.#syncs.get(folder) === entry) this.#syncs.delete(folder)
  }
}
