import { usageKey } from '../../server/staging/keys.ts'
import { isInDoubt, type StorageDriver } from '../../server/storage/storage-driver.ts'
import { hourMs } from '../../shared/units.ts'
import type { Objects } from './simulated-store.ts'
import type { Mutation, OwnersMutation, Wrong } from './world.ts'

/** A store whose calls of some methods go another way. */
function change(store: StorageDriver, changed: Partial<StorageDriver>): StorageDriver {
  return { ...store, ...changed }
}

const idOf = (key: string): string => key.split('/')[1] ?? ''
const markedBy = (key: string): string => key.split('/')[2] ?? ''
const isLease = (key: string): boolean => key.endsWith('/lease.json')
const isMarker = (key: string): boolean => key.startsWith('due/')
const isWithoutWriter = (lease: string): boolean =>
  stateIn(lease) === 'draft' && !('writer' in JSON.parse(lease))
const stateIn = (text: string): string => JSON.parse(text).state

/** Wrong orders of the steps, each as a store that reorders or leaves out what the code asks of it. */
const wrongOrders: Readonly<Record<string, Mutation>> = {
  'the due marker is filed after the lease': store => {
    const held = new Map<string, string>()
    return change(store, {
      create: async (key, text) => {
        if (isMarker(key) && !held.has(markedBy(key))) {
          held.set(markedBy(key), key)
          return true
        }
        const created = await store.create(key, text)
        const marker = isLease(key) ? held.get(idOf(key)) : undefined
        if (marker !== undefined) await store.create(marker, '')
        return created
      }
    })
  },

  'the manifest is written after the swap': store => {
    const held = new Map<string, string>()
    return change(store, {
      create: async (key, text) => {
        if (!key.endsWith('/manifest.json')) return store.create(key, text)
        held.set(key, text)
        return true
      },
      read: async key => {
        const text = held.get(key)
        return text === undefined ? store.read(key) : { text, version: '' }
      },
      replace: async (key, text, version) => {
        const swapped = await store.replace(key, text, version)
        for (const [manifest, body] of held) await store.create(manifest, body)
        return swapped
      }
    })
  },

  'data is removed before the swap': (store, objects) =>
    change(store, {
      replace: async (key, text, version) => {
        if (isLease(key) && stateIn(text) === 'ended') await store.delete(dataOf(objects, idOf(key)))
        return store.replace(key, text, version)
      }
    }),

  'the marker is removed first': store => {
    let current: string | undefined
    return change(store, {
      list: async (folder, after, limit) => {
        const names = await store.list(folder, after, limit)
        current = folder.startsWith('due/') && folder !== 'due/' ? folder : undefined
        return names
      },
      read: async key => {
        if (isLease(key) && current !== undefined) await store.delete([`${current}${idOf(key)}`])
        return store.read(key)
      }
    })
  },

  'nobody looks a second time a day later': (store, _objects, now) =>
    change(store, {
      create: async (key, text) => {
        const aheadMs = isMarker(key) ? Date.parse(`${key.split('/')[1]}:00:00Z`) - now() : 0
        return aheadMs > 22 * hourMs && aheadMs < 25 * hourMs ? true : store.create(key, text)
      }
    }),

  'a lease is swapped whatever its version': store =>
    change(store, {
      replace: async (key, text, version) =>
        store.replace(key, text, isLease(key) ? (await store.read(key)).version : version)
    }),

  'what is used is swapped whatever its version': store =>
    change(store, {
      replace: async (key, text, version) =>
        store.replace(key, text, key === usageKey ? (await store.read(key)).version : version)
    })
}

/** What goes wrong only when a store on a network leaves open what it did. */
const wrongInDoubt: Readonly<Record<string, Mutation>> = {
  'a draft whose lease may come yet loses its marker': (store, objects) =>
    change(store, {
      create: async (key, text) => {
        try {
          return await store.create(key, text)
        } catch (error) {
          const isLost = isLease(key) && isInDoubt(error) && !objects.has(key)
          if (isLost) await store.delete([...objects.keys()].filter(other => markedBy(other) === idOf(key)))
          throw error
        }
      }
    }),

  'bytes are removed before their attempt is given up': (store, objects) =>
    change(store, {
      replace: async (key, text, version) => {
        const isGivenUp = isLease(key) && isWithoutWriter(text) && !isWithoutWriter(objects.get(key) ?? text)
        if (isGivenUp) await store.delete(dataOf(objects, idOf(key)))
        return store.replace(key, text, version)
      }
    }),

  'a failed draft is forgotten though something of it may come yet': (store, objects) =>
    change(store, {
      replace: async (key, text, version) => {
        const isSwapped = await store.replace(key, text, version)
        if (!isLease(key) || JSON.parse(text).reason !== 'failed') return isSwapped
        const id = idOf(key)
        const markers = [...objects.keys()].filter(other => isMarker(other) && markedBy(other) === id)
        await store.delete([...dataOf(objects, id), `index/ns/${id}`])
        await store.delete([key])
        await store.delete(markers)
        return isSwapped
      }
    }),

  'what was begun in parts is left to itself': store => change(store, { abortUnfinished: async () => {} }),

  'a reservation of which nobody knows counts as made': store =>
    change(store, {
      replace: (key, text, version) =>
        store.replace(key, text, version).catch(error => {
          if (key !== usageKey || !isInDoubt(error)) throw error
          return true
        })
    })
}

/** Wrong beliefs: what a process might take for an answer about the owner of a bundle. */
const wrongBeliefs: Readonly<Record<string, OwnersMutation>> = {
  'an owner of whom nothing is known counts as gone': owners => ({
    ...owners,
    stateOf: async bundle => {
      const state = await owners.stateOf(bundle)
      return state === 'unknown' ? 'gone' : state
    }
  })
}

/** As if nobody had seen an owner before: what a server does that remembers owners in its memory alone. */
const forgetful: Mutation = store => ({
  ...store,
  read: async key => {
    const { text, version } = await store.read(key)
    if (!isLease(key)) return { text, version }
    const { hadOwner: _forgotten, ...lease } = JSON.parse(text)
    return { text: JSON.stringify(lease), version }
  }
})

/** Everything that the model must notice. */
export const mutations: Readonly<Record<string, Wrong>> = {
  ...Object.fromEntries(
    Object.entries({ ...wrongOrders, ...wrongInDoubt }).map(([name, store]) => [name, { store }])
  ),
  ...Object.fromEntries(Object.entries(wrongBeliefs).map(([name, owners]) => [name, { owners }])),
  'that a bundle had an owner is remembered nowhere': { store: forgetful }
}

function dataOf(objects: Objects, bundleId: string): readonly string[] {
  return [...objects.keys()].filter(key => key.startsWith(`bundles/${bundleId}/`) && key.includes('/data/'))
}
