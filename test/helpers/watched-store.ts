import type { StorageDriver } from '../../server/storage/storage-driver.ts'

/** Told of every call of a store's methods, and of its return. */
export interface StoreWatcher {
  /** May fail the call, or never resolve. */
  before?(method: keyof StorageDriver, args: readonly unknown[]): Promise<void> | void
  after?(method: keyof StorageDriver, args: readonly unknown[], result: unknown): void
}

/** A store that tells what is asked of it. */
export function watchStore(store: StorageDriver, watcher: StoreWatcher): StorageDriver {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (typeof member !== 'function') return member
      const method = name as keyof StorageDriver
      return async (...args: unknown[]) => {
        await watcher.before?.(method, args)
        const result: unknown = await member.apply(target, args)
        watcher.after?.(method, args, result)
        return result
      }
    }
  })
}
