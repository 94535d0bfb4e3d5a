import { listAll, type StorageDriver } from '../storage/storage-driver.ts'
import { type Attempt, dataFolder, isDataName, manifestKey } from './keys.ts'
import type { StoredEntry, StoredManifest } from './manifests.ts'

/** How many objects are removed at once: what S3 takes in one request. */
const pageSize = 1000

/** The first entry of each data object: what has to arrive, each once. */
export function distinctData(entries: readonly StoredEntry[]): readonly StoredEntry[] {
  const seen = new Set<number>()
  return entries.filter(({ data }) => !seen.has(data) && seen.add(data))
}

/** What a list of entries takes in the store, in bytes. */
export function dataBytes(entries: readonly StoredEntry[]): number {
  return distinctData(entries).reduce((sumBytes, { sizeBytes }) => sumBytes + sizeBytes, 0)
}

/** The entries whose bytes are not there yet. Bytes that are there are right: others never become visible. */
export async function lackingData(
  store: StorageDriver,
  manifest: StoredManifest
): Promise<readonly StoredEntry[]> {
  const there = new Set<string>()
  for await (const name of listAll(store, dataFolder(manifest))) there.add(name)
  return distinctData(manifest.entries).filter(({ data }) => !there.has(String(data)))
}

/**
 * Removes all bytes of an attempt, what was begun of others, and then its manifest, in pages. What got there by another
 * hand stays: it is for `verify` to tell, and must keep nothing else.
 */
export async function removeBytes(store: StorageDriver, attempt: Attempt): Promise<void> {
  const folder = dataFolder(attempt)
  await store.abortUnfinished?.(folder)
  let after = ''
  while (true) {
    const names = await store.list(folder, after, pageSize)
    await store.delete(names.filter(isDataName).map(name => folder + name))
    const last = names.at(-1)
    if (last === undefined || names.length < pageSize) break
    after = last
  }
  await store.delete([manifestKey(attempt)])
}
