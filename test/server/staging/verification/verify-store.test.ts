import { mkdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { Problem } from '../../../../server/staging/verification/findings.ts'
import { verifyStore } from '../../../../server/staging/verification/verify-store.ts'
import { type StorageDriver, StorageError } from '../../../../server/storage/storage-driver.ts'
import { dayMs } from '../../../../shared/units.ts'
import { replaceMethods } from '../../../helpers/replaced-store.ts'
import { sha256, storeFiles } from '../../../helpers/start-server.ts'
import { simulatedStore } from '../../../property/simulated-store.ts'
import { makeStore, type StagedStore, verify } from './staged-store.ts'

const committedOf = ({ bundleId }: StagedStore) => `bundles/${bundleId}`
const draftOf = ({ draftId }: StagedStore) => `bundles/${draftId}`
const absentId = 'f'.repeat(32)
const silent = { found: () => {}, looked: () => {}, reading: () => {}, read: () => {} }
const simulated = (objects: Map<string, string>) => simulatedStore(objects, async () => {})

t.test('a store that a server has left is whole, and what it holds is told', async t => {
  const store = await makeStore(t)

  const { summary, findings, totalBytes, readBytes } = await verify(t, store)

  const ledger = {
    held: { 'team-a': { bytes: 11, bundlesCount: 1 } },
    open: { [`${store.draftId}/draft`]: { namespace: 'team-a', bytes: 20 } }
  }
  t.same(findings, [])
  t.same(summary, {
    bundles: { committed: 1, draft: 1, ended: 1 },
    held: { 'team-a': { bytes: 11, bundlesCount: 1 } },
    ledger: { seen: { ledger, version: summary.ledger.seen.version }, found: ledger },
    readBytes: 18,
    findings: { damaged: 0, orphan: 0, unmarked: 0 },
    pending: 0,
    lostHints: 0,
    unfinishedWrites: 0
  })
  t.equal(totalBytes, 18)
  t.equal(readBytes, 18)
})

/** What is done to a store, and what has to be found: problems and the objects they are about. */
const damages: readonly (readonly [
  what: string,
  damage: (store: StagedStore) => Promise<unknown>,
  expected: (store: StagedStore) => readonly (readonly [Problem, string])[]
])[] = [
  [
    'a data object that is gone',
    store => store.remove(`${committedOf(store)}/0/data/1`),
    store => [['bytes-missing', `${committedOf(store)}/0/data/1`]]
  ],
  [
    'a byte that has flipped',
    store => store.write(`${committedOf(store)}/0/data/0`, 'fIrst'),
    store => [['bytes-wrong', `${committedOf(store)}/0/data/0`]]
  ],
  [
    'a data object that is too short',
    store => truncate(join(store.folder, `${committedOf(store)}/0/data/0`), 2),
    store => [['bytes-wrong', `${committedOf(store)}/0/data/0`]]
  ],
  [
    'a data object that is too long',
    store => store.write(`${committedOf(store)}/0/data/0`, 'first and more'),
    store => [['bytes-wrong', `${committedOf(store)}/0/data/0`]]
  ],
  [
    'a data object that no manifest names',
    store => store.write(`${committedOf(store)}/0/data/2`, 'stray'),
    store => [['bytes-unnamed', `${committedOf(store)}/0/data/2`]]
  ],
  [
    'a wrong blob of a draft',
    store => store.write(`${draftOf(store)}/0/data/0`, 'ARRIVED'),
    store => [['bytes-wrong', `${draftOf(store)}/0/data/0`]]
  ],
  [
    'a draft without any bytes yet: nothing',
    store => rm(join(store.folder, `${draftOf(store)}/0/data`), { recursive: true }),
    () => []
  ],
  [
    'a manifest that is gone',
    store => store.remove(`${committedOf(store)}/0/manifest.json`),
    store => [['manifest-missing', `${committedOf(store)}/0/manifest.json`]]
  ],
  [
    'a manifest that is no JSON',
    store => store.write(`${committedOf(store)}/0/manifest.json`, '{'),
    store => [['manifest-broken', `${committedOf(store)}/0/manifest.json`]]
  ],
  [
    'the manifest of another bundle',
    store => store.change(`${committedOf(store)}/0/manifest.json`, { bundleId: store.draftId }),
    store => [['manifest-broken', `${committedOf(store)}/0/manifest.json`]]
  ],
  [
    'the manifest of another attempt',
    store => store.change(`${committedOf(store)}/0/manifest.json`, { attempt: 3 }),
    store => [['manifest-broken', `${committedOf(store)}/0/manifest.json`]]
  ],
  [
    'a manifest with one data object for two digests',
    async store => {
      const key = `${committedOf(store)}/0/manifest.json`
      const { entries } = JSON.parse(await readFile(join(store.folder, key), 'utf8'))
      await store.change(key, { entries: entries.map((entry: object) => ({ ...entry, data: 0 })) })
    },
    store => [['manifest-broken', `${committedOf(store)}/0/manifest.json`]]
  ],
  [
    'a lease that is no JSON',
    store => store.write(`${committedOf(store)}/lease.json`, ''),
    store => [['lease-broken', `${committedOf(store)}/lease.json`]]
  ],
  [
    'a committed lease that does not say when its last token ends',
    store => store.change(`${committedOf(store)}/lease.json`, { tokenExpiresAtMs: undefined }),
    store => [['lease-broken', `${committedOf(store)}/lease.json`]]
  ],
  [
    'a lease of no namespace that can be',
    store => store.change(`${committedOf(store)}/lease.json`, { namespace: '../x' }),
    store => [['lease-broken', `${committedOf(store)}/lease.json`]]
  ],
  [
    'a lease that is not an object',
    store => store.write(`${committedOf(store)}/lease.json`, '7'),
    store => [['lease-broken', `${committedOf(store)}/lease.json`]]
  ],
  [
    'a lease that is gone',
    store => store.remove(`${committedOf(store)}/lease.json`),
    store => [
      ['lease-missing', `${committedOf(store)}/lease.json`],
      ['index-unfounded', `index/team-a/${store.bundleId}`]
    ]
  ],
  [
    'a bundle that its namespace does not list',
    store => store.remove(`index/team-a/${store.bundleId}`),
    store => [['not-listed', `index/team-a/${store.bundleId}`]]
  ],
  [
    'an index that names nothing that is there, or a bundle of another namespace',
    async store => {
      await store.write(`index/team-a/${absentId}`, '')
      await store.write(`index/team-b/${store.bundleId}`, '')
    },
    store => [
      ['index-unfounded', `index/team-a/${absentId}`],
      ['index-unfounded', `index/team-b/${store.bundleId}`]
    ]
  ],
  [
    'an ended bundle that still has bytes, and whose second look is over',
    async store => {
      await endLongAgo(store)
      await store.write(`bundles/${store.endedId}/0/data/0`, 'third')
    },
    store => [['left-behind', `bundles/${store.endedId}/`]]
  ],
  [
    'an ended bundle that is still listed, and whose second look is over',
    async store => {
      await endLongAgo(store)
      await store.write(`index/team-a/${store.endedId}`, '')
    },
    store => [['left-behind', `bundles/${store.endedId}/`]]
  ],
  [
    'names that nobody has given',
    async store => {
      await store.write('bundles/lost+found/x', '')
      await store.write(`${committedOf(store)}/.lease.json.swp`, '')
      await store.write(`${committedOf(store)}/0/x`, '')
      await store.write(`${committedOf(store)}/7/data/0`, 'of an attempt that never was')
      await store.write('due/.tomorrow/x', '')
      await store.write('index/TEAM/x', '')
      await store.write('index/team-a/.x', '')
    },
    store => [
      ['unknown', 'due/.tomorrow'],
      ['unknown', `${committedOf(store)}/.lease.json.swp`],
      ['unknown', `${committedOf(store)}/0/x`],
      ['unknown', `${committedOf(store)}/7`],
      ['unknown', 'bundles/lost+found'],
      ['unknown', 'index/TEAM'],
      ['unknown', 'index/team-a/.x']
    ]
  ]
]

/** Makes the ended bundle one that ended in 1970, and that is looked at once more. */
async function endLongAgo(store: StagedStore): Promise<void> {
  await store.remove(`/${store.endedId}`)
  const lease = { namespace: 'team-a', principal: 'p', attempt: 0, createdAtMs: 0, expiresAtMs: dayMs }
  const ended = { ...lease, state: 'ended', reason: 'revoked', endedAtMs: dayMs }
  await store.write(`bundles/${store.endedId}/lease.json`, JSON.stringify(ended))
  await store.write(`due/1970-01-03T01/${store.endedId}`, '')
}

for (const [what, damage, expected] of damages) {
  t.test(`${what} is found`, async t => {
    const store = await makeStore(t)
    await damage(store)

    const { findings, summary } = await verify(t, store)
    const inSmallWindows = await verify(t, store, { windowSize: 1 })

    const told = findings.map(({ problem, key }) => [problem, key])
    t.same(told.sort(), [...expected(store)].sort())
    t.same(inSmallWindows.findings.map(({ problem, key }) => [problem, key]).sort(), told)
    t.same(inSmallWindows.summary, summary)
  })
}

t.test(
  'a finding says of which bundle, namespace and file it is, what was expected, and what is there',
  async t => {
    const store = await makeStore(t)
    await store.write(`${committedOf(store)}/0/data/0`, 'fIrst')

    const { findings, summary } = await verify(t, store)

    t.same(findings, [
      {
        problem: 'bytes-wrong',
        key: `${committedOf(store)}/0/data/0`,
        bundleId: store.bundleId,
        namespace: 'team-a',
        path: 'files/a.txt',
        expected: `sha256 ${sha256('first')}`,
        found: `sha256 ${sha256('fIrst')}`
      }
    ])
    t.same(summary.findings, { damaged: 1, orphan: 0, unmarked: 0 })
  }
)

for (const id of ['bundleId', 'draftId', 'endedId'] as const) {
  t.test(`a bundle without any marker is found (${id})`, async t => {
    const store = await makeStore(t)
    const [marker = ''] = (await store.remove(store[id])).filter(path => path.startsWith('due/'))
    // All of it went with its markers; what is left is its lease.
    const lease = { namespace: 'team-a', principal: 'p', attempt: 0, createdAtMs: 1, expiresAtMs: 3_600_000 }
    const states = {
      bundleId: { state: 'draft' },
      draftId: { state: 'draft' },
      endedId: { state: 'ended', reason: 'revoked', endedAtMs: 3_600_000 }
    }
    await store.write(`bundles/${store[id]}/lease.json`, JSON.stringify({ ...lease, ...states[id] }))

    const { findings, summary } = await verify(t, store)

    t.not(marker, '')
    t.match(findings, [{ problem: 'marker-missing', key: `due/1970-01-01T01/${store[id]}` }])
    t.equal(findings.length, 1)
    t.same(summary.findings, { damaged: 0, orphan: 0, unmarked: 1 })
  })
}

t.test('what the sweeps to come will settle is no finding, and is counted', async t => {
  const store = await makeStore(t)
  await store.write(`due/2026-01-01T00/${absentId}`, '')
  await mkdir(join(store.folder, `bundles/${'e'.repeat(32)}/0/data`), { recursive: true })
  await store.write(`bundles/${store.endedId}/0/data/0`, 'third')
  await store.remove(`${draftOf(store)}/0/manifest.json`)
  await store.change(`${draftOf(store)}/lease.json`, { attempt: 1, expiresAtMs: 0 })
  await store.write('tmp/left', 'by a crash')
  await store.write(`hints/team-a/${absentId.repeat(2)}`, `${absentId} 0`)
  await store.write(`hints/team-a/${'e'.repeat(64)}`, 'nonsense')
  await store.write('hints/TEAM/x', '')
  await store.write('hints/team-a/x', '')

  const { findings, summary } = await verify(t, store)

  t.same(findings, [])
  // A marker without a lease, an empty folder, an ended bundle with bytes, a draft with a dead attempt and a late marker.
  t.equal(summary.pending, 4)
  t.equal(summary.unfinishedWrites, 1)
  // One for the blob of the draft, whose manifest went.
  t.equal(summary.lostHints, 3)
})

/** The store, whose bytes cannot be read with this error. */
const unreadable = (error: Error) => (store: StorageDriver) =>
  replaceMethods(store, { open: () => Promise.reject(error) })

t.test('bytes that cannot be read are found, and the rest is read', async t => {
  const store = await makeStore(t)

  const { findings } = await verify(t, store, { wrap: unreadable(new StorageError('broken', 'EIO')) })

  t.match(findings, Array(3).fill({ problem: 'bytes-unreadable', found: 'EIO' }))
  t.equal(findings.length, 3)
})

t.test('a fault of the program is not taken for damage', async t => {
  const store = await makeStore(t)

  await t.rejects(verify(t, store, { wrap: unreadable(new TypeError('a fault')) }), { message: 'a fault' })
})

t.test('a store that cannot be listed, or asked for a size, ends the verification', async t => {
  const store = await makeStore(t)
  const error = new StorageError('broken', 'EIO')
  for (const methods of [{ list: () => Promise.reject(error) }, { sizeOf: () => Promise.reject(error) }]) {
    await t.rejects(verify(t, store, { wrap: driver => replaceMethods(driver, methods) }), error)
  }
})

t.test('a hint whose bundle cannot be looked at ends the verification', async t => {
  const error = new StorageError('broken', 'EIO')
  const hints = simulated(new Map([[`hints/team-a/${'e'.repeat(64)}`, `${absentId} 0`]]))
  const store = replaceMethods(hints, { sizeOf: () => Promise.reject(error) })

  await t.rejects(verifyStore(store, silent, new AbortController().signal), error)
})

t.test('it ends when it is told to, in whichever part', async t => {
  const store = await makeStore(t)
  const stop = new AbortController()

  stop.abort(new Error('enough'))

  for (const [key, text] of [
    [`bundles/${absentId}/lease.json`, '{}'],
    [`index/team-a/${absentId}`, ''],
    [`hints/team-a/${'e'.repeat(64)}`, '']
  ] as const) {
    const small = simulated(new Map([[key, text]]))
    await t.rejects(verifyStore(small, silent, stop.signal), { message: 'enough' }, key)
  }
  const late = new AbortController()
  const whileReading = { ...silent, reading: () => late.abort(new Error('enough')) }
  await t.rejects(verifyStore(simulated(await readAll(store)), whileReading, late.signal), {
    message: 'enough'
  })
})

/** What a store on disk has, as a simulated one. */
async function readAll(store: StagedStore): Promise<Map<string, string>> {
  const paths = await storeFiles(store.folder)
  const read = async (path: string) => [path, await readFile(join(store.folder, path), 'utf8')] as const
  return new Map(await Promise.all(paths.map(read)))
}

t.test('a fault of ours is not taken for a ledger that cannot be read', async t => {
  const store = simulated(new Map())
  const faulty: StorageDriver = {
    ...store,
    read: async key => {
      if (key === 'usage.json') throw new TypeError('a fault of ours')
      return store.read(key)
    }
  }

  await t.rejects(verifyStore(faulty, silent, new AbortController().signal), { message: 'a fault of ours' })
})
