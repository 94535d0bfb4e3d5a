import { randomUUID } from 'node:crypto'
import { type StorageDriver, StorageError } from './storage-driver.ts'

/** What is written to learn whether a bucket takes writes. It is nothing of the store's. */
export const probeKey = 'spark-stage-probe'

/** What to do about a store on which two servers could overwrite each other. */
const noConditions =
  'the bucket ignores conditional writes (If-None-Match, If-Match): use AWS S3, or a store that has them'

/**
 * Tries on a bucket what servers rely on, before anything is served from it, and leaves nothing there.
 *
 * @throws StorageError that says what is wrong and how to mend it
 */
export async function checkBucket(store: StorageDriver): Promise<void> {
  const key = `${probeKey}-${randomUUID()}`
  await store.list('', '', 1)
  // Whoever may not remove it must not make it.
  await store.delete([key])
  try {
    await store.create(key, 'first')
    const { version } = await store.read(key)
    const isCreatedTwice = await store.create(key, 'second')
    const isReplaced = await store.replace(key, 'third', version)
    const isReplacedTwice = await store.replace(key, 'fourth', version)
    if (isCreatedTwice || !isReplaced || isReplacedTwice) {
      throw new StorageError('broken', noConditions, undefined, noConditions)
    }
  } finally {
    await store.delete([key])
  }
}
