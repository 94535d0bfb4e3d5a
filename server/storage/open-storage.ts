import { fileURLToPath } from 'node:url'
import type { Disk } from './disk.ts'
import { LocalDriver } from './local-driver.ts'
import type { StorageDriver } from './storage-driver.ts'

/**
 * Opens the store that `SPARK_STAGE_STORE` names: the only place that knows which drivers exist.
 *
 * @param url `file:///…`
 * @throws StorageError when the store cannot be opened, or another process has it
 */
export async function openStorage(url: string, disk?: Disk): Promise<StorageDriver> {
  return LocalDriver.open(fileURLToPath(url), disk)
}

/**
 * Opens a store that is there already, to look at it: nothing is made, mended or cleaned up.
 *
 * @throws StorageError `not-found` when there is none; else as {@link openStorage}
 */
export async function openExistingStorage(url: string): Promise<StorageDriver> {
  return LocalDriver.openExisting(fileURLToPath(url))
}
