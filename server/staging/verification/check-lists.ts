import { isBundleId, isNamespace, isSha256 } from '../../../shared/names.ts'
import {
  bareName,
  listAll,
  listFolders,
  readIfThere,
  type StorageDriver,
  StorageError
} from '../../storage/storage-driver.ts'
import { parseHint } from '../hints.ts'
import {
  type Attempt,
  dueRoot,
  hintKey,
  hintsFolder,
  hintsRoot,
  indexFolder,
  indexKey,
  indexRoot,
  isDueHour,
  manifestKey
} from '../keys.ts'
import type { Finding } from './findings.ts'
import { examineLease } from './stored-objects.ts'

/** What is in the folder of due markers and is no hour: a sweep would take it for one. */
export async function* checkHours(store: StorageDriver): AsyncGenerator<Finding> {
  for await (const name of listAll(store, dueRoot)) {
    if (!isDueHour(bareName(name))) yield unknownName(dueRoot, bareName(name))
  }
}

/** What the indexes of the namespaces list and is not there. */
export async function* checkIndexes(store: StorageDriver, signal: AbortSignal): AsyncGenerator<Finding> {
  for await (const name of listAll(store, indexRoot)) {
    const namespace = bareName(name)
    if (!isNamespace(namespace)) {
      yield unknownName(indexRoot, namespace)
      continue
    }
    for await (const bundleId of listAll(store, indexFolder(namespace))) {
      signal.throwIfAborted()
      if (!isBundleId(bundleId)) {
        yield unknownName(indexFolder(namespace), bundleId)
        continue
      }
      const lease = await examineLease(store, bundleId)
      // A lease that cannot be read was found before.
      if (lease.is === 'broken' || (lease.is === 'good' && lease.value.namespace === namespace)) continue
      const found = lease.is === 'good' ? `a bundle of namespace "${lease.value.namespace}"` : 'none'
      const key = indexKey(namespace, bundleId)
      const expected = 'a bundle of this namespace'
      yield { problem: 'index-unfounded', key, bundleId, namespace, expected, found }
    }
  }
}

/** How many hints lead nowhere, which only costs an upload. */
export async function countLostHints(store: StorageDriver, signal: AbortSignal): Promise<number> {
  let count = 0
  for await (const namespace of listFolders(store, hintsRoot)) {
    if (!isNamespace(namespace)) continue
    for await (const sha256 of listAll(store, hintsFolder(namespace))) {
      signal.throwIfAborted()
      if (!isSha256(sha256)) continue
      const hint = await readIfThere(store, hintKey(namespace, sha256))
      const attempt = parseHint(hint?.text)
      if (attempt === undefined || !(await hasManifest(store, attempt))) count += 1
    }
  }
  return count
}

async function hasManifest(store: StorageDriver, attempt: Attempt): Promise<boolean> {
  try {
    await store.sizeOf(manifestKey(attempt))
    return true
  } catch (error) {
    if (error instanceof StorageError && error.failure === 'not-found') return false
    throw error
  }
}

function unknownName(folder: string, name: string): Finding {
  return { problem: 'unknown', key: folder + name, expected: 'nothing', found: JSON.stringify(name) }
}
