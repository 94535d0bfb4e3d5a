import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { type OpenBytes, type StorageDriver, StorageError } from '../../server/storage/storage-driver.ts'

/** What is in the store, whoever wrote it: keys and texts. All bytes of the model are short texts. */
export type Objects = Map<string, string>

/**
 * What a network makes of a request that does not simply succeed: it is `refused` and nothing happens, its answer is
 * `lost` after it took effect, it comes `late`, some time after whoever sent it has given up, or, its first answer being
 * lost, it is `repeated` underneath and takes effect again.
 */
export type Fate = 'refused' | 'lost' | 'late' | 'repeated'

/**
 * Waits for its turn, and learns what becomes of a request; never comes back once the process that asks has died.
 *
 * @param effect what the request does to the store: it may do so without its sender, which is late or dead
 */
export type Turn = (effect?: () => void) => Promise<Fate | undefined>

/** Where the store keeps what was begun in parts and is not finished. */
export const unfinishedRoot = 'unfinished/'

/** Longer texts are sent in parts: begun, then finished. */
const longestWhole = 'first'.length

/**
 * A process's view of a shared store that lives in memory and keeps the promises of S3. Every request waits for its turn,
 * takes effect in one step, and waits again before it returns, so that whatever others do can come between.
 */
export function simulatedStore(objects: Objects, turn: Turn): StorageDriver {
  const send = async <T>(effect: () => T, onRepeat: (first: T) => T): Promise<T> => {
    const fate = await turn(effect)
    if (fate === 'refused' || fate === 'late') throw new StorageError('unavailable', fate)
    const result = effect()
    if (fate === 'lost') throw new StorageError('unavailable', fate)
    await turn()
    return fate === 'repeated' ? onRepeat(result) : result
  }
  const step = <T>(effect: () => T) => send(effect, effect)
  // Who finds that a repeated swap has failed looks whether what is there is its own.
  const swap = (key: string, text: string, effect: () => boolean) =>
    send(effect, isSwapped => effect() || (isSwapped && objects.get(key) === text))
  const mustGet = (key: string): string => {
    const text = objects.get(key)
    if (text === undefined) throw new StorageError('not-found', key)
    return text
  }
  const putInParts = async (key: string, text: string): Promise<void> => {
    const upload = await step(() => {
      const free = freeName(objects, unfinishedRoot + key)
      objects.set(free, text)
      return free
    })
    const finish = () => {
      const isThere = objects.delete(upload)
      if (isThere) objects.set(key, text)
      return isThere
    }
    try {
      const isFinished = await send(finish, isFinished => finish() || isFinished)
      if (!isFinished) throw new StorageError('unavailable', 'no such upload')
    } catch (error) {
      await step(() => objects.delete(upload)).catch(() => {})
      throw error
    }
  }
  return {
    name: 'simulated',
    put: async (key, source, _expected, _signal) => {
      const text = await textOf(source)
      if (text.length > longestWhole) await putInParts(key, text)
      else await step(() => objects.set(key, text))
      return { sizeBytes: text.length, sha256: sha256Of(text) }
    },
    copy: (from, to) =>
      step(() => {
        const text = objects.get(from)
        if (text !== undefined) objects.set(to, text)
        return text !== undefined
      }),
    open: (key): Promise<OpenBytes> =>
      step(() => {
        const text = mustGet(key)
        return { sendTo: async sink => void sink.write(text), close: async () => {} }
      }),
    sizeOf: key => step(() => mustGet(key).length),
    create: (key, text) =>
      swap(key, text, () => {
        if (objects.has(key)) return false
        objects.set(key, text)
        return true
      }),
    read: key => step(() => ({ text: mustGet(key), version: sha256Of(mustGet(key)) })),
    replace: (key, text, version) =>
      swap(key, text, () => {
        const current = objects.get(key)
        if (current === undefined || sha256Of(current) !== version) return false
        objects.set(key, text)
        return true
      }),
    list: (folder, after, limit) =>
      step(() => {
        const names = new Set<string>()
        for (const key of objects.keys()) {
          const [name = '', ...below] = key.slice(folder.length).split('/')
          if (key.startsWith(folder)) names.add(below.length === 0 ? name : `${name}/`)
        }
        return [...names]
          .sort()
          .filter(name => name > after)
          .slice(0, limit)
      }),
    // Each key on its own: a batch has no order, and may fail for some.
    delete: keys => inAnyOrder(keys.map(key => step(() => objects.delete(key)))),
    abortUnfinished: async folder => {
      const uploads = await step(() =>
        [...objects.keys()].filter(key => key.startsWith(unfinishedRoot + folder))
      )
      await inAnyOrder(uploads.map(upload => step(() => objects.delete(upload))))
    },
    probe: async () => {},
    countUnfinished: async () => 0,
    close: async () => {}
  }
}

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Every upload of a key is another one. */
function freeName(objects: Objects, key: string): string {
  for (let number = 0; ; number += 1) if (!objects.has(`${key}#${number}`)) return `${key}#${number}`
}

/** @throws what the first of them fails with, once all have come to their end */
async function inAnyOrder(requests: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(requests)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
}

async function textOf(source: Readable): Promise<string> {
  let text = ''
  for await (const chunk of source) text += chunk
  return text
}
