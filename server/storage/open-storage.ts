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
