import { listAll, type StorageDriver } from '../../storage/storage-driver.ts'

/** Keys of the objects below `folder` that `target` has and `source` has not, in order. */
export async function* findSurplus(
  source: StorageDriver,
  target: StorageDriver,
  folder: string
): AsyncGenerator<string> {
  const wanted = listAll(source, folder)
  let next = await wanted.next()
  for await (const name of listAll(target, folder)) {
    // Both come sorted, so neither has to be remembered.
    while (next.done !== true && next.value < name) next = await wanted.next()
    const isWanted = next.done !== true && next.value === name
    if (name.endsWith('/')) {
      yield* isWanted ? findSurplus(source, target, folder + name) : findAll(target, folder + name)
    } else if (!isWanted) yield folder + name
  }
}

/** Keys of all objects below `folder`. */
async function* findAll(store: StorageDriver, folder: string): AsyncGenerator<string> {
  for await (const name of listAll(store, folder)) {
    if (name.endsWith('/')) yield* findAll(store, folder + name)
    else yield folder + name
  }
}
