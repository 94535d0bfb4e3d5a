import { StorageError } from './storage-driver.ts'

/**
 * Keys are minted by the server; this is the last line should one ever not be.
 *
 * @throws StorageError when it could lead out of the store
 */
export function checkKey(key: string): void {
  if (/^(?:[A-Za-z0-9][A-Za-z0-9.-]*\/)*(?:[A-Za-z0-9][A-Za-z0-9.-]*)?$/.test(key)) return
  throw new StorageError('broken', `bad key ${JSON.stringify(key)}`)
}
