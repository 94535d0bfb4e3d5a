import type { StorageDriver } from '../../server/storage/storage-driver.ts'

/** A store some of whose methods a test has taken over. */
export function replaceMethods(store: StorageDriver, methods: Partial<StorageDriver>): StorageDriver {
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(methods, name) ?? Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    }
  })
}
