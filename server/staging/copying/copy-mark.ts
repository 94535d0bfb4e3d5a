import { readIfThere, type StorageDriver, StorageError } from '../../storage/storage-driver.ts'
import { bundlesRoot, dueRoot, hintsRoot, indexRoot, usageKey } from '../keys.ts'

/** Holds where a copy comes from, in a store that is not all of it yet. */
const markKey = 'copy.json'

/**
 * Makes `target` a copy of the store at `from` that is not finished: until {@link finishCopy}, no server takes it.
 *
 * @returns whether an earlier copy of the same store is gone on with
 * @throws StorageError `busy` when it holds anything else
 */
export async function beginCopy(target: StorageDriver, from: string): Promise<boolean> {
  const begun = await findOrigin(target)
  if (begun === from) return true
  if (begun !== undefined) {
    throw new StorageError(
      'busy',
      `the target holds an unfinished copy of ${begun}: name that one, or another target`
    )
  }
  if (!(await isEmpty(target)) || !(await target.create(markKey, JSON.stringify({ from })))) {
    throw new StorageError('busy', 'the target holds a store of its own: name a place where nothing is yet')
  }
  return false
}

/** From now on servers take the store. */
export function finishCopy(target: StorageDriver): Promise<void> {
  return target.delete([markKey])
}

/** @throws StorageError when a store is a copy that is not finished: what it lacks would be taken for lost */
export async function refuseUnfinishedCopy(store: StorageDriver): Promise<void> {
  const begun = await findOrigin(store)
  if (begun === undefined) return
  const todo = 'end it by the same `spark-stage-server copy` as before'
  throw new StorageError('busy', `the store is an unfinished copy of ${begun}: ${todo}`)
}

/** Whether there is nothing of a store. */
export async function isEmpty(store: StorageDriver): Promise<boolean> {
  for (const root of [bundlesRoot, indexRoot, hintsRoot, dueRoot]) {
    if ((await store.list(root, '', 1)).length > 0) return false
  }
  return (await readIfThere(store, usageKey)) === undefined
}

async function findOrigin(store: StorageDriver): Promise<string | undefined> {
  const mark = await readIfThere(store, markKey)
  // A boundary: only `beginCopy` writes this object.
  return mark && (JSON.parse(mark.text) as { readonly from: string }).from
}
