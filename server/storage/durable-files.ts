import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { type Disk, diskErrorCode } from './disk.ts'
import type { DurableFolders } from './durable-folders.ts'

/** A folder may be pruned between being made and being used; it is made again this often. */
const maxFolderTries = 10

/** How a file that was written aside gets its name: in place of what has it, or only if nothing has. */
export type Publication = 'rename' | 'link'

/**
 * The files of a local store: written aside, synced, given their name in one step, and their folder synced. A crash
 * leaves a whole file under a name, or none. All errors are those of the disk.
 */
export class DurableFiles {
  readonly #disk: Disk
  readonly #folders: DurableFolders
  readonly #asideFolder: string

  /** @param asideFolder where files are written before they have a name; what a crash leaves there is worth nothing */
  constructor(disk: Disk, folders: DurableFolders, asideFolder: string) {
    this.#disk = disk
    this.#folders = folders
    this.#asideFolder = asideFolder
  }

  /** Lets `write` make a file aside, and gives it the name `path`; nothing is left when either fails. */
  async publish<T>(path: string, how: Publication, write: (aside: string) => Promise<T>): Promise<T> {
    const aside = this.aside()
    try {
      const result = await write(aside)
      await this.#withFolderOf(path, () => this.#disk[how](aside, path))
      await this.#settle(path, how)
      return result
    } finally {
      await this.unlinkIfThere(aside)
    }
  }

  /** Gives the file `source` a second name; the same file under it already is fine. @throws ENOENT without a source */
  async link(source: string, path: string): Promise<void> {
    await this.#withFolderOf(path, () => this.#linkOnce(source, path))
    await this.#folders.sync(dirname(path))
  }

  /** A new file with this text, synced. */
  async writeSmall(path: string, text: string): Promise<void> {
    const file = await this.#disk.open(path, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  /** @returns whether it was there; the folder is not synced */
  async unlinkIfThere(path: string): Promise<void> {
    try {
      await this.#disk.unlink(path)
    } catch (error) {
      if (diskErrorCode(error) !== 'ENOENT') throw error
    }
  }

  /** A path that nobody else uses, for a file without a name. */
  aside(): string {
    return join(this.#asideFolder, randomUUID())
  }

  /** Puts a name on disk. One that is new and cannot be is taken back; one that replaced another has no way back. */
  async #settle(path: string, how: Publication): Promise<void> {
    try {
      await this.#folders.sync(dirname(path))
    } catch (error) {
      if (how === 'link') await this.unlinkIfThere(path)
      throw error
    }
  }

  /** Runs `change` with the folder of `path` there. */
  async #withFolderOf(path: string, change: () => Promise<void>, tries = 1): Promise<void> {
    try {
      await this.#folders.ensure(dirname(path))
      await change()
    } catch (error) {
      if (error instanceof MissingSource) throw error.cause
      if (diskErrorCode(error) !== 'ENOENT' || tries === maxFolderTries) throw error
      this.#folders.forget(dirname(path))
      await this.#withFolderOf(path, change, tries + 1)
    }
  }

  async #linkOnce(source: string, path: string): Promise<void> {
    try {
      await this.#disk.link(source, path)
    } catch (error) {
      if (diskErrorCode(error) === 'EEXIST') return
      // Both a missing source and a missing folder are ENOENT; only the folder can be made again.
      if (diskErrorCode(error) === 'ENOENT') await this.#mustExist(source)
      throw error
    }
  }

  async #mustExist(source: string): Promise<void> {
    try {
      await this.#disk.lstat(source)
    } catch (cause) {
      throw new MissingSource('no source to link', { cause })
    }
  }
}

/** Its cause is the disk's own error. */
class MissingSource extends Error {}
