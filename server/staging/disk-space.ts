import type { Readable } from 'node:stream'
import {
  type PutExpectations,
  type StorageDriver,
  StorageError,
  type StoredBytes,
  type StoreSpace
} from '../storage/storage-driver.ts'
import { type Figures, noRoom, type RequestedFile } from './limits.ts'

/**
 * Refuses what the disk has no room for, before the first byte. A store without a disk of its own takes everything.
 *
 * @throws StagingError `STAGE_ERR_NO_SPACE`
 */
export async function checkFreeSpace(
  store: StorageDriver,
  askedBytes: number,
  files: readonly RequestedFile[]
): Promise<void> {
  const space = await store.space?.()
  if (space !== undefined && askedBytes > space.freeBytes) {
    throw noRoom('STAGE_ERR_NO_SPACE', { ...figures(space), askedBytes }, files)
  }
}

/**
 * Stores bytes; the error of a disk that fills up meanwhile has the figures, too.
 *
 * @param files of the request, as far as they are known
 * @throws as {@link StorageDriver.put}, and StagingError `STAGE_ERR_NO_SPACE`
 */
export async function putBytes(
  store: StorageDriver,
  key: string,
  source: Readable,
  expected: PutExpectations,
  signal: AbortSignal,
  files: readonly RequestedFile[]
): Promise<StoredBytes> {
  try {
    return await store.put(key, source, expected, signal)
  } catch (error) {
    const space =
      error instanceof StorageError && error.failure === 'no-space' ? await store.space?.() : undefined
    throw space === undefined ? error : noRoom('STAGE_ERR_NO_SPACE', figures(space), files, error)
  }
}

function figures({ totalBytes, freeBytes }: StoreSpace): Figures {
  return { limitBytes: totalBytes, usedBytes: totalBytes - freeBytes }
}
