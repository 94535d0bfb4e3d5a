import { readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { pid } from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { StorageError } from './storage-driver.ts'

/**
 * Makes this process the only one that uses the store in `folder`, until the returned function is called or the process
 * dies, however it dies.
 *
 * Node has no call for file locks of its own, but its SQLite takes one on its database file: the kernel lets go of it
 * with the process, and it holds between containers that share a volume. The database stays empty.
 *
 * @throws StorageError `busy` that names the process that has the store
 */
export async function lockStore(folder: string): Promise<() => void> {
  const database = new DatabaseSync(join(folder, 'lock.db'))
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if (!isBusy(cause)) throw cause
    throw new StorageError('busy', `the store ${folder} is in use by ${await holderOf(folder)}`, cause)
  }
  const holder = `process ${pid} on ${hostname()} since ${new Date().toISOString()}`
  await writeFile(join(folder, 'lock.txt'), `${holder}\n`, { mode: 0o600 })
  return () => database.close()
}

/** SQLite's result code SQLITE_BUSY; everything else is a fault of the file. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === 5
}

async function holderOf(folder: string): Promise<string> {
  try {
    return (await readFile(join(folder, 'lock.txt'), 'utf8')).trim()
  } catch {
    return 'another process'
  }
}
