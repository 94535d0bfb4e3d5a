import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { StagingError } from '../../shared/errors.ts'
import { checkKey } from './check-key.ts'
import { type Disk, diskErrorCode, nodeDisk } from './disk.ts'
import { DurableFiles, type Publication } from './durable-files.ts'
import { DurableFolders } from './durable-folders.ts'
import { FileSender } from './file-sender.ts'
import { FileSink } from './file-sink.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import { smallestNames } from './smallest-names.ts'
import type {
  ByteRange,
  OpenBytes,
  PutExpectations,
  SmallObject,
  StorageDriver,
  StoredBytes,
  StoreSpace
} from './storage-driver.ts'
import { listAll, StorageError } from './storage-driver.ts'
import { lockStore } from './store-lock.ts'

/** How a vanished client shows: its errors come through the same stream as the disk's. */
const networkErrors = ['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT']

/**
 * The store on this machine's disk, for one server at a time.
 *
 * Everything is written aside in `tmp/`, synced, published by one atomic step (rename or link), and the folder synced,
 * so a crash leaves a whole object or none. What a crash leaves in `tmp/` is removed at the next start.
 */
export class LocalDriver implements StorageDriver {
  readonly name = 'local'
  readonly #root: string
  readonly #disk: Disk
  readonly #folders: DurableFolders
  readonly #files: DurableFiles
  readonly #sender = new FileSender()
  readonly #swaps = new KeyedMutex()
  readonly #unlock: () => void
  /** Whether this is for looking only: then nothing is tidied. */
  readonly #isForLooking: boolean
  #isClosed = false

  private constructor(root: string, disk: Disk, unlock: () => void, isForLooking = false) {
    this.#root = root
    this.#disk = disk
    this.#folders = new DurableFolders(disk, root)
    this.#files = new DurableFiles(disk, this.#folders, join(root, 'tmp'))
    this.#unlock = unlock
    this.#isForLooking = isForLooking
  }

  /**
   * Takes the store in the folder `root`, making it where there is none.
   *
   * @throws StorageError `busy` when another process has it, `broken` or `no-space` when it cannot be made
   */
  static async open(root: string, disk: Disk = nodeDisk): Promise<LocalDriver> {
    try {
      const made = await disk.mkdir(root, { recursive: true, mode: 0o700 })
      const unlock = await lockStore(root)
      await rm(join(root, 'tmp'), { recursive: true, force: true })
      const driver = new LocalDriver(root, disk, unlock)
      for (let path = root; made !== undefined && path.length >= made.length; path = dirname(path)) {
        await driver.#folders.sync(dirname(path))
      }
      await disk.mkdir(join(root, 'tmp'), { mode: 0o700 })
      return driver
    } catch (error) {
      throw cannotOpen(root, error)
    }
  }

  /**
   * Takes the store that is in the folder `root` to look at it: makes nothing, and leaves what a crash left.
   *
   * @throws StorageError `not-found` when there is none, `busy` when another process has it
   */
  static async openExisting(root: string, disk: Disk = nodeDisk): Promise<LocalDriver> {
    try {
      await disk.lstat(join(root, 'lock.db'))
      return new LocalDriver(root, disk, await lockStore(root), true)
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') throw new StorageError('not-found', `no store in ${root}`, error)
      throw cannotOpen(root, error)
    }
  }

  async put(
    key: string,
    source: Readable,
    expected: PutExpectations,
    signal: AbortSignal
  ): Promise<StoredBytes> {
    return this.#publish(key, 'rename', async aside => {
      const file = await this.#disk.open(aside, 'wx', 0o600)
      try {
        const sink = new FileSink(file, expected)
        await pipeline(source, sink, { signal })
        const stored = sink.result()
        await file.sync()
        return stored
      } finally {
        await file.close()
      }
    })
  }

  async copy(from: string, to: string): Promise<boolean> {
    try {
      await this.#files.link(this.#path(from), this.#path(to))
      return true
    } catch (error) {
      // No source, too many links to it, or a file system that has none: the bytes come another way.
      if (['ENOENT', 'EMLINK', 'EPERM', 'ENOTSUP'].includes(diskErrorCode(error))) return false
      throw asStorageError(error, `copy ${from} to ${to}`)
    }
  }

  async open(key: string, range: ByteRange): Promise<OpenBytes> {
    try {
      const file = await this.#disk.open(this.#path(key), 'r')
      return {
        sendTo: (sink, signal) => this.#sender.send(file, range, sink, signal),
        close: () => file.close()
      }
    } catch (error) {
      throw asStorageError(error, `open ${key}`)
    }
  }

  async sizeOf(key: string): Promise<number> {
    try {
      return (await this.#disk.lstat(this.#path(key))).size
    } catch (error) {
      throw asStorageError(error, `look at ${key}`)
    }
  }

  async create(key: string, text: string): Promise<boolean> {
    try {
      await this.#publish(key, 'link', aside => this.#files.writeSmall(aside, text))
      return true
    } catch (error) {
      if (error instanceof StorageError && diskErrorCode(error.cause) === 'EEXIST') return false
      throw error
    }
  }

  async read(key: string): Promise<SmallObject> {
    try {
      const text = await this.#disk.readFile(this.#path(key), 'utf8')
      return { text, version: createHash('sha256').update(text).digest('hex') }
    } catch (error) {
      throw asStorageError(error, `read ${key}`)
    }
  }

  replace(key: string, text: string, version: string): Promise<boolean> {
    return this.#swaps.run(key, async () => {
      try {
        if ((await this.read(key)).version !== version) return false
      } catch (error) {
        if (error instanceof StorageError && error.failure === 'not-found') return false
        throw error
      }
      await this.#publish(key, 'rename', aside => this.#files.writeSmall(aside, text))
      return true
    })
  }

  async list(folder: string, after: string, limit: number): Promise<readonly string[]> {
    try {
      const names = await smallestNames(await this.#disk.opendir(this.#path(folder)), after, limit)
      if (names.length === 0 && after === '') await this.#tidyEmpty(this.#path(folder))
      return names
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') return []
      throw asStorageError(error, `list ${folder}`)
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    try {
      const folders = new Set<string>()
      for (const key of keys) {
        const path = this.#path(key)
        await this.#swaps.run(key, () => this.#files.unlinkIfThere(path))
        // Also where nothing was: a crash may have come between an object's removal and its folder's.
        folders.add(dirname(path))
      }
      for (const folder of folders) await this.#folders.prune(folder)
    } catch (error) {
      throw asStorageError(error, `delete ${keys.length} objects`)
    }
  }

  async space(): Promise<StoreSpace> {
    this.#refuseClosed('space')
    try {
      const { bsize, blocks, bavail } = await this.#disk.statfs(this.#root)
      return { totalBytes: blocks * bsize, freeBytes: bavail * bsize }
    } catch (error) {
      throw asStorageError(error, 'look how much space there is')
    }
  }

  async probe(): Promise<void> {
    this.#refuseClosed('probe')
    const aside = this.#files.aside()
    try {
      await this.#files.writeSmall(aside, 'probe')
      await this.#disk.unlink(aside)
    } catch (error) {
      await this.#files.unlinkIfThere(aside)
      throw asStorageError(error, 'probe')
    }
  }

  async countUnfinished(): Promise<number> {
    let count = 0
    for await (const _name of listAll(this, 'tmp/')) count += 1
    return count
  }

  async close(): Promise<void> {
    // Another process may have the store from now on: whatever still runs here must not appear any more.
    if (!this.#isClosed) this.#unlock()
    this.#isClosed = true
  }

  /** Only a crash leaves an empty folder; one that is just being filled is made again by who fills it. */
  async #tidyEmpty(path: string): Promise<void> {
    // The folders at the top stay.
    if (dirname(path) !== this.#root && !this.#isForLooking) await this.#folders.prune(path)
  }

  async #publish<T>(key: string, how: Publication, write: (aside: string) => Promise<T>): Promise<T> {
    try {
      return await this.#files.publish(this.#path(key), how, async aside => {
        const result = await write(aside)
        // Another process may have the store by now.
        this.#refuseClosed(key)
        return result
      })
    } catch (error) {
      throw asStorageError(error, `write ${key}`)
    }
  }

  #refuseClosed(what: string): void {
    if (this.#isClosed) throw new StorageError('broken', `the store is closed: ${what}`)
  }

  #path(key: string): string {
    this.#refuseClosed(key)
    checkKey(key)
    return join(this.#root, dirname(key), basename(key))
  }
}

/** What it takes to have a store; another process that has it says so itself. */
function cannotOpen(root: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause
  // A boundary: neither the disk nor SQLite throws anything else.
  const { message } = cause as Error
  const failure = ['ENOSPC', 'EDQUOT'].includes(diskErrorCode(cause)) ? 'no-space' : 'broken'
  const expected = 'expected a folder that this process may make or write'
  return new StorageError(failure, `${root} cannot be a store: ${expected}, found ${message}`, cause)
}

/** A disk's error as the contract's; everything else (the client's own errors, an abort) stays what it is. */
function asStorageError(error: unknown, doing: string): unknown {
  const code = diskErrorCode(error)
  if (error instanceof StagingError || error instanceof StorageError) return error
  if (!(error instanceof Error) || !('syscall' in error) || networkErrors.includes(code)) return error
  if (code === 'ENOENT') return new StorageError('not-found', `${doing}: not found`, error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return new StorageError('no-space', `${doing}: no space`, error)
  return new StorageError('broken', `${doing}: ${error.message}`, error)
}
