import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { type OpenBytes, type StorageDriver, StorageError } from '../../server/storage/storage-driver.ts'

/** What is in the store, whoever wrote it: keys and texts. All bytes of the model are short texts. */
export type Objects = Map<string, string>

/** Waits for its turn; never comes back once the process that asks has died. */
export type Turn = () => Promise<void>

/**
 * A process's view of a shared store that lives in memory. Every call waits for its turn, takes effect in one step, and
 * waits again before it returns, so that whatever others do can come between.
 */
export function simulatedStore(objects: Objects, turn: Turn): StorageDriver {
  const step = async <T>(effect: () => T): Promise<T> => {
    await turn()
    const result = effect()
    await turn()
    return result
  }
  const mustGet = (key: string): string => {
    const text = objects.get(key)
    if (text === undefined) throw new StorageError('not-found', key)
    return text
  }
  return {
    name: 'simulated',
    put: async (key, source, _expected, _signal) => {
      const text = await textOf(source)
      return step(() => {
        objects.set(key, text)
        return { sizeBytes: text.length, sha256: sha256Of(text) }
      })
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
      step(() => {
        if (objects.has(key)) return false
        objects.set(key, text)
        return true
      }),
    read: key => step(() => ({ text: mustGet(key), version: sha256Of(mustGet(key)) })),
    replace: (key, text, version) =>
      step(() => {
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
    // Each key on its own: a batch has no order and may stop anywhere.
    delete: async keys => {
      for (const key of keys) await step(() => objects.delete(key))
    },
    probe: async () => {},
    countUnfinished: async () => 0,
    close: async () => {}
  }
}

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

async function textOf(source: Readable): Promise<string> {
  let text = ''
  for await (const chunk of source) text += chunk
  return text
}
