import { type Usage, usedBytes } from '../staging/usage.ts'
import { type StorageDriver, StorageError } from '../storage/storage-driver.ts'
import type { FigureSources, StoreFigures } from './metrics.ts'

/** Figures of a store, each learned by one call, whatever is stored. One that cannot be asked now says nothing. */
export function figuresOf(
  store: StorageDriver,
  usage: Usage
): Pick<FigureSources, 'storeFigures' | 'freeBytes'> {
  const { space } = store
  return {
    storeFigures: () => unlessBroken(() => readUsage(usage)),
    freeBytes: space && (() => unlessBroken(async () => (await space.call(store)).freeBytes))
  }
}

async function readUsage(usage: Usage): Promise<StoreFigures> {
  const ledger = await usage.read()
  const { heldBytes, reservedBytes } = usedBytes(ledger)
  const committedCount = Object.values(ledger.held).reduce((sum, { bundlesCount }) => sum + bundlesCount, 0)
  const drafts = Object.values(ledger.open).filter(({ takenBy }) => takenBy === undefined)
  return { storedBytes: heldBytes, reservedBytes, committedCount, draftsCount: drafts.length }
}

async function unlessBroken<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof StorageError) return undefined
    throw error
  }
}
