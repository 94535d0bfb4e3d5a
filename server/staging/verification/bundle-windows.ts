import { bareName, listAll, listFolders, type StorageDriver } from '../../storage/storage-driver.ts'
import { bundlesRoot, dueFolder, dueRoot, isDueHour } from '../keys.ts'

/** Some bundles that follow each other by id, and the markers of ids in that stretch. */
export interface BundleWindow {
  readonly bundleIds: readonly string[]
  /** The earliest hour in which an id is looked at; ids without a bundle are among them. */
  readonly firstHours: ReadonlyMap<string, string>
}

/**
 * All bundles of a store and all due markers, `windowSize` bundles at a time: markers lie by hour and bundles by id, so
 * bringing them together needs memory for one side, and a window bounds it.
 */
export async function* bundleWindows(store: StorageDriver, windowSize: number): AsyncGenerator<BundleWindow> {
  let after = ''
  while (true) {
    const names = await store.list(bundlesRoot, after, windowSize)
    const last = names.length === windowSize ? names.at(-1) : undefined
    yield { bundleIds: names.map(bareName), firstHours: await findFirstHours(store, after, last) }
    if (last === undefined) return
    after = last
  }
}

/** @param last the greatest id to look for; undefined for all that there are */
async function findFirstHours(
  store: StorageDriver,
  after: string,
  last: string | undefined
): Promise<ReadonlyMap<string, string>> {
  const firstHours = new Map<string, string>()
  for await (const hour of listFolders(store, dueRoot)) {
    if (!isDueHour(hour)) continue
    for await (const bundleId of listAll(store, dueFolder(hour), 1000, after)) {
      if (last !== undefined && bundleId > last) break
      if (!firstHours.has(bundleId)) firstHours.set(bundleId, hour)
    }
  }
  return firstHours
}
