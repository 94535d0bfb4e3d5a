import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { type Ledger, Usage, usedBytes } from '../../../server/staging/usage.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { GiB, MiB } from '../../../shared/units.ts'
import { replaceMethods } from '../../helpers/replaced-store.ts'
import { type StoreWatcher, watchStore } from '../../helpers/watched-store.ts'
import { type Objects, simulatedStore, type Turn } from '../../property/simulated-store.ts'

const bundleId = '0123456789abcdef0123456789abcdef'
const account = `${bundleId}/0`
const bundle = { account, namespace: 'ns', sizeBytes: 100 }
const nothing: Ledger = { held: {}, open: {} }
const admit = () => {}

/** The network does what is asked of it at once. */
const atOnce: Turn = async () => undefined

function usageOver(
  objects: Objects,
  watcher: StoreWatcher = {},
  { turn = atOnce, wait = async () => {} }: { turn?: Turn; wait?: (ms: number) => Promise<void> } = {}
): Usage {
  return new Usage(watchStore(simulatedStore(objects, turn), watcher), wait)
}

/** A ledger whose swaps come to grief while it is `inTrouble`; those that may come yet do so when they `arrive`. */
function usageInTrouble(fate: 'lost' | 'late') {
  const arriving: (() => void)[] = []
  let isTroubled = false
  let isSwap = false
  const before: StoreWatcher['before'] = method => {
    isSwap = method === 'create' || method === 'replace'
  }
  const turn: Turn = async effect => {
    if (!isTroubled || !isSwap || effect === undefined) return undefined
    arriving.push(effect)
    return fate
  }
  const inTrouble = async (change: () => Promise<unknown>) => {
    isTroubled = true
    await change().finally(() => {
      isTroubled = false
    })
  }
  const arrive = () => {
    const count = arriving.length
    for (const effect of arriving.splice(0)) effect()
    return count
  }
  return { usage: usageOver(new Map(), { before }, { turn }), inTrouble, arrive }
}

t.test('a bundle is reserved, held, taken out and closed', async t => {
  const usage = usageOver(new Map())

  await usage.reserve({ ...bundle, sizeBytes: 150 }, admit)
  t.same(await usage.read(), { held: {}, open: { [account]: { namespace: 'ns', bytes: 150 } } })
  await usage.settle(bundle)
  t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
  const taker = await usage.takeOut(bundle)
  t.same(await usage.read(), {
    held: { ns: { bytes: 100, bundlesCount: 1 } },
    open: { [account]: { namespace: 'ns', bytes: 0, isHeld: true, takenBy: taker } }
  })
  await usage.close(bundle, taker)
  t.same(await usage.read(), nothing)
})

t.test('a refused reservation changes nothing', async t => {
  const objects: Objects = new Map()
  const usage = usageOver(objects)
  const refuse = () => {
    throw new Error('no room')
  }

  await t.rejects(usage.reserve(bundle, refuse), { message: 'no room' })

  t.same(await usage.read(), nothing)
  t.equal(objects.size, 0)
})

t.test('the check sees all but the bundle itself', async t => {
  const usage = usageOver(new Map())
  const seen: Ledger[] = []
  await usage.reserve({ ...bundle, account: 'fedcba9876543210fedcba9876543210/0' }, admit)
  await usage.reserve(bundle, admit)

  await usage.reserve({ ...bundle, account: `${bundleId}/commit` }, others => seen.push(others), account)

  t.same(
    seen.map(others => Object.keys(others.open)),
    [['fedcba9876543210fedcba9876543210/0']]
  )
  t.same(Object.keys((await usage.read()).open), ['fedcba9876543210fedcba9876543210/0', `${bundleId}/commit`])
})

t.test('a removal that another took up again is the same removal', async t => {
  const usage = usageOver(new Map())
  await usage.reserve(bundle, admit)
  await usage.settle(bundle)

  const taker = await usage.takeOut(bundle)
  t.equal(await usage.takeOut(bundle), taker)
  await usage.close(bundle, taker)

  t.same(await usage.read(), nothing)
})

t.test('a bundle that is taken out once more, too late, is counted off once, at no moment twice', async t => {
  const usage = usageOver(new Map())
  for (const name of [account, 'fedcba9876543210fedcba9876543210/0']) {
    await usage.reserve({ ...bundle, account: name }, admit)
    await usage.settle({ ...bundle, account: name })
  }
  const first = await usage.takeOut(bundle)
  await usage.close(bundle, first)

  t.not(await usage.takeOut(bundle), first)
  t.same(usedBytes(await usage.read()), { heldBytes: 100, reservedBytes: 0 })
  await usage.close(bundle, first)

  t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
})

t.test('a removal that has taken effect and seems to have failed is not closed twice', async t => {
  const objects: Objects = new Map()
  const other = usageOver(objects)
  const others = { ...bundle, account: 'fedcba9876543210fedcba9876543210/0' }
  for (const one of [bundle, others]) {
    await other.reserve(one, admit)
    await other.settle(one)
  }
  let firstTaker: string | undefined
  // The answer to its first swap is lost; before it asks again, another server has found the trace and closed it.
  const store = replaceMethods(simulatedStore(objects, atOnce), {
    replace: async (key, text) => {
      if (firstTaker !== undefined) {
        objects.set(key, text)
        return true
      }
      objects.set(key, text)
      firstTaker = await other.takeOut(bundle)
      await other.close(bundle, firstTaker)
      return false
    }
  })

  const taker = await new Usage(store, async () => {}).takeOut(bundle)
  await other.close(bundle, firstTaker ?? '')

  t.not(taker, firstTaker)
  t.same(await other.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
})

t.test('a commit that settles while the bundle is taken out counts no more', async t => {
  const usage = usageOver(new Map())
  await usage.reserve(bundle, admit)

  const taker = await usage.takeOut(bundle)
  t.same(usedBytes(await usage.read()), { heldBytes: 0, reservedBytes: 100 })
  await usage.settle(bundle)
  await usage.close(bundle, taker)

  t.same(await usage.read(), nothing)
})

t.test('what is asked for during a swap goes into the next one together', async t => {
  let swapsCount = 0
  const usage = usageOver(new Map(), {
    before: method => {
      if (method === 'create' || method === 'replace') swapsCount += 1
    }
  })

  await Promise.all(
    Array.from({ length: 40 }, (_, index) => usage.reserve({ ...bundle, account: `${index}/0` }, admit))
  )

  t.equal(Object.keys((await usage.read()).open).length, 40)
  t.equal(swapsCount, 2)
})

t.test('two servers lose no change of the other', async t => {
  const objects: Objects = new Map()
  const servers = [usageOver(objects), usageOver(objects)]

  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      servers[index % 2]?.reserve({ ...bundle, account: `${index}/0` }, admit)
    )
  )

  t.equal(usedBytes((await servers[0]?.read()) ?? nothing).reservedBytes, 4000)
})

t.test('three servers with forty uploads at once hold the quota to the byte, and lose nothing', async t => {
  const objects: Objects = new Map()
  const swaps = { won: 0, lost: 0 }
  const after: StoreWatcher['after'] = (method, _args, result) => {
    if (method === 'create' || method === 'replace') swaps[result === true ? 'won' : 'lost'] += 1
  }
  const turn = async () => {
    for (let turns = Math.random() * 8; turns > 0; turns -= 1) await setImmediate()
    return undefined
  }
  const servers = [1, 2, 3].map(() => usageOver(objects, { after }, { turn, wait: turn }))
  const quotaBytes = GiB
  const sizeBytes = 40 * MiB
  const refuseOver = (others: Ledger) => {
    const { heldBytes, reservedBytes } = usedBytes(others, 'ns')
    if (heldBytes + reservedBytes + sizeBytes > quotaBytes) throw new Error('no room')
  }
  const upload = async (index: number) => {
    const account = { account: `${index}/0`, namespace: 'ns', sizeBytes }
    const at = (step: number) => servers[(index + step) % 3] as Usage
    await at(0).reserve(account, refuseOver)
    await at(1).settle(account)
  }

  const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, index) => upload(index)))

  const fitting = Math.floor(quotaBytes / sizeBytes)
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, fitting)
  t.same(await servers[0]?.read(), {
    held: { ns: { bytes: fitting * sizeBytes, bundlesCount: fitting } },
    open: {}
  })
  t.ok(swaps.lost > 0, 'they met')
  t.ok(swaps.won < 40, `${swaps.won} swaps for ${40 + fitting} changes, ${swaps.lost} lost`)
})

t.test(
  'whoever loses a race waits, longer each time and never for more than a quarter of a second',
  async t => {
    const objects: Objects = new Map()
    const waitsMs: number[] = []
    const before: StoreWatcher['before'] = method => {
      if (method === 'create' && waitsMs.length < 20) objects.set('usage.json', JSON.stringify(nothing))
      if (method === 'replace' && waitsMs.length < 20) {
        objects.set('usage.json', JSON.stringify({ ...nothing, n: waitsMs.length }))
      }
    }
    const usage = usageOver(objects, { before }, { wait: async ms => void waitsMs.push(ms) })

    await usage.reserve(bundle, admit)

    t.equal(waitsMs.length, 20)
    for (const [index, waitMs] of waitsMs.entries()) {
      t.ok(waitMs >= 0 && waitMs <= Math.min(250, 50 * 2 ** index), `wait ${index} of ${waitMs} ms`)
    }
  }
)

t.test('what is asked for while others are faster goes along', async t => {
  const objects: Objects = new Map()
  const late = { ...bundle, account: 'fedcba9876543210fedcba9876543210/0' }
  let joined: Promise<void> | undefined
  let swapsCount = 0
  const usage = usageOver(objects, {
    before: method => {
      if (method !== 'create' && method !== 'replace') return
      swapsCount += 1
      if (joined !== undefined) return
      objects.set('usage.json', JSON.stringify(nothing))
      joined = usage.reserve(late, admit)
    }
  })

  await usage.reserve(bundle, admit)
  await joined

  t.equal(swapsCount, 2)
  t.equal(usedBytes(await usage.read()).reservedBytes, 200)
})

for (const fate of ['lost', 'late'] as const) {
  t.test(
    `a swap of unknown outcome, its ${fate === 'lost' ? 'answer lost' : 'request late'}, counts nothing twice when it is asked for again`,
    async t => {
      const { usage, inTrouble, arrive } = usageInTrouble(fate)
      const twice = async (change: () => Promise<unknown>) => {
        await t.rejects(inTrouble(change), { name: 'StorageError', failure: 'unavailable' })
        await change()
        t.equal(arrive(), 1)
      }

      await twice(() => usage.reserve(bundle, admit))
      t.same(await usage.read(), { held: {}, open: { [account]: { namespace: 'ns', bytes: 100 } } })
      await twice(() => usage.settle(bundle))
      t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
      await twice(() => usage.takeOut(bundle))
      const taker = await usage.takeOut(bundle)
      await twice(() => usage.close(bundle, taker))
      t.same(await usage.read(), nothing)
    }
  )
}

t.test('a removal that a slow network still holds does not take out another bundle', async t => {
  const { usage, inTrouble, arrive } = usageInTrouble('late')
  const stage = async () => {
    await usage.reserve(bundle, admit)
    await usage.settle(bundle)
  }
  await stage()
  await t.rejects(
    inTrouble(() => usage.takeOut(bundle)),
    { name: 'StorageError', failure: 'unavailable' }
  )
  await usage.close(bundle, await usage.takeOut(bundle))
  // Now the ledger says what it said then.
  await stage()

  t.equal(arrive(), 1)

  t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
})

t.test('a store that fails fails all that was asked for, and is asked again next time', async t => {
  let isBroken = true
  const usage = usageOver(new Map(), {
    before: method => {
      if (isBroken && method === 'read') throw new StorageError('broken', 'cannot read')
    }
  })

  const [first, second] = await Promise.allSettled([usage.reserve(bundle, admit), usage.drop(bundleId)])
  isBroken = false
  await usage.reserve(bundle, admit)

  t.match([first, second], [{ status: 'rejected' }, { status: 'rejected' }])
  t.equal(usedBytes(await usage.read(), 'ns').reservedBytes, 100)
})

t.test('whoever loses every race gives up', async t => {
  const objects: Objects = new Map()
  const usage = usageOver(objects, {
    before: method => {
      if (method === 'create' || method === 'replace')
        objects.set('usage.json', JSON.stringify({ ...nothing, n: Math.random() }))
    }
  })

  await t.rejects(usage.reserve(bundle, admit), { message: /usage changed 50 times/ })
})

t.test('a ledger that cannot be read says what to do', async t => {
  for (const text of ['{"held":', '{}', '[]']) {
    const usage = usageOver(new Map([['usage.json', text]]))
    await t.rejects(usage.reserve(bundle, admit), {
      failure: 'broken',
      message: /usage\.json cannot be read; .* verify/
    })
  }
})

t.test('what was found by looking takes the place of what was counted', async t => {
  const usage = usageOver(new Map())
  const found = { held: { ns: { bytes: 7, bundlesCount: 1 } }, open: {} }
  const seenEmpty = await usage.examine()
  t.ok(await usage.correct(found, seenEmpty))
  t.same(await usage.read(), found)

  await usage.reserve(bundle, admit)
  const seen = await usage.examine()
  t.same(seen.ledger, await usage.read())
  t.ok(await usage.correct({ held: {}, open: {} }, seen))
  t.same(await usage.read(), nothing)
})

t.test('what was found by looking is not true any more once a server has counted something', async t => {
  const usage = usageOver(new Map())
  const seenEmpty = await usage.examine()
  await usage.reserve(bundle, admit)
  t.notOk(await usage.correct(nothing, seenEmpty), 'a ledger that was made meanwhile')

  const seen = await usage.examine()
  await usage.reserve({ ...bundle, account: `${'e'.repeat(32)}/0` }, admit)
  const before = await usage.read()
  t.notOk(await usage.correct(nothing, seen), 'a ledger that was changed meanwhile')
  t.same(await usage.read(), before)
})

t.test('what is no ledger is seen as such, with its version', async t => {
  const usage = usageOver(new Map([['usage.json', '{"held":']]))
  const seen = await usage.examine()

  t.equal(seen.ledger, undefined)
  t.ok(await usage.correct(nothing, seen))
  t.same(await usage.read(), nothing)
})

t.test('a namespace may be called as something that every object has', async t => {
  const usage = usageOver(new Map())

  await usage.reserve({ ...bundle, namespace: 'constructor' }, admit)
  await usage.settle({ ...bundle, namespace: 'constructor' })

  t.same(await usage.read(), { held: { constructor: { bytes: 100, bundlesCount: 1 } }, open: {} })
})

t.test('what other requests had reserved for a bundle goes with its commit', async t => {
  const usage = usageOver(new Map())
  await usage.reserve({ ...bundle, account: `${bundleId}/a commit that failed` }, admit)
  await usage.reserve(bundle, admit)

  await usage.settle(bundle)

  t.same(await usage.read(), { held: { ns: { bytes: 100, bundlesCount: 1 } }, open: {} })
})
