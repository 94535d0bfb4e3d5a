import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import type { StorePlace } from '../../server/config.ts'
import { copyCommand } from '../../server/copy-command.ts'
import { LocalDriver } from '../../server/storage/local-driver.ts'
import { StorageError } from '../../server/storage/storage-driver.ts'
import { download, stage } from '../helpers/call.ts'
import { sha256, startServer, storeFiles, withoutSweeps } from '../helpers/start-server.ts'
import { makeStore, type StagedStore } from './staging/verification/staged-store.ts'
import { openBucket, settingsOf } from './storage/opened-bucket.ts'

const never = new AbortController().signal

interface Copied {
  readonly cause: string
  readonly out: string
  readonly err: string
}

/** Where a store is: in a folder, or what is given. */
function placeOf(where: string | StorePlace): StorePlace {
  return typeof where === 'string' ? { url: pathToFileURL(where).href, s3: {} } : where
}

/** Runs the command, and tells what it wrote. */
async function run(
  from: string | StorePlace,
  to: string | StorePlace,
  { isTTY = false, signal = never } = {}
): Promise<Copied> {
  const stdout = new PassThrough()
  const stderr = Object.assign(new PassThrough(), { isTTY })
  const places = { from: placeOf(from), to: placeOf(to) }
  const cause = await copyCommand(places, { stdout, stderr }, signal, () => 0)
  return { cause, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

/** What is in a store, by path; the ledger too. */
async function contentOf(folder: string): Promise<Readonly<Record<string, string>>> {
  const paths = [...(await storeFiles(folder)), 'usage.json']
  return Object.fromEntries(
    await Promise.all(paths.map(async path => [path, await readFile(join(folder, path), 'latin1')] as const))
  )
}

/** A store to copy, and a place for its copy. */
async function begin(t: Test): Promise<{ readonly store: StagedStore; readonly target: string }> {
  const store = await makeStore(t)
  return { store, target: join(dirname(store.folder), 'target') }
}

t.test('a copy has everything that the store has, and is looked at', async t => {
  const { store, target } = await begin(t)

  const { cause, out, err } = await run(store.folder, target)

  t.equal(cause, 'ok')
  t.strictSame(await contentOf(target), await contentOf(store.folder))
  t.equal(
    out,
    `copied     18 B, bundles 3
bundles    committed 1, draft 1, ended 1
read       18 B
held       11 B in namespace team-a, committed 1
ledger     counts what is there
pending    0, which sweeps will settle
leftovers  unfinished writes 0, hints that lead nowhere 0: harmless
findings   damaged 0, orphan 0, unmarked 0
`
  )
  t.equal(err, 'Copying: 18 B of 18 B\nReading: 18 B of 18 B\n')
})

t.test('a server on the copy, with the same keys, goes on where the other ended', async t => {
  const bytes = new Uint8Array(3_000_000).map((_byte, index) => (index * 31) % 251)
  const first = await startServer(t, { env: withoutSweeps })
  const { bundleId, token } = (await stage(first, [['jars', 'big.jar', bytes]])).json
  await first.close()
  const target = join(dirname(first.folder), 'target')

  t.equal((await run(first.folder, target)).cause, 'ok')

  const second = await startServer(t, {
    folder: target,
    keysDirectory: first.keysDirectory,
    env: withoutSweeps
  })
  const { bytes: found } = await download(second, bundleId, token, '/entries/jars/big.jar')
  t.equal(sha256(found), sha256(bytes))
})

t.test('on a terminal there is a bar', async t => {
  const { store, target } = await begin(t)

  t.match((await run(store.folder, target, { isTTY: true })).err, /Copying {3}━+ 100% {2}18 B of 18 B/)
})

t.test('keys, and what does not belong to a store, are not copied', async t => {
  const { store, target } = await begin(t)
  await store.write('keys/key-1', 'a secret')
  await store.write('bundles/x/0/data/0', 'x')
  await store.write('due/.x/y', '')
  await store.write('index/NS/y', '')
  await store.write('index/team-a/y', '')
  await store.write(`bundles/${store.bundleId}/0/data/7`, 'named by no manifest')
  await store.write(`bundles/${store.bundleId}/other/file`, '')
  await store.write(`bundles/${store.draftId}/1/data/0`, 'of an upload that died')

  const { cause } = await run(store.folder, target)

  t.equal(cause, 'ok')
  const content = JSON.stringify(await contentOf(target))
  t.notMatch(content, /a secret|named by no|that died|\/x\/|\.x|NS|\/y|other/)
  await t.rejects(readFile(join(target, 'keys/key-1')), { code: 'ENOENT' })
})

const damages: readonly (readonly [claim: string, path: string, text: string, why: RegExp])[] = [
  ['of another size', '0/data/0', 'fir', /file ended at byte 3, expected 5 bytes/],
  ['other', '0/data/0', 'fIrst', /expected [0-9a-f]{64}, found [0-9a-f]{64}/]
]

for (const [claim, path, text, why] of damages) {
  t.test(`bytes that are ${claim} are left out and named, and the rest is copied`, async t => {
    const { store, target } = await begin(t)
    const key = `bundles/${store.bundleId}/${path}`
    await store.write(key, text)

    const { cause, out, err } = await run(store.folder, target)

    t.equal(cause, 'unsound')
    t.match(out, new RegExp(`^left out: ${key}: (${why.source})`, 'm'))
    t.match(out, new RegExp(`^damaged team-a/${store.bundleId}: the bytes of a file are not there: `, 'm'))
    t.match(err, 'Copying: 18 B of 18 B\n')
    const { [key]: _damaged, ...whole } = await contentOf(store.folder)
    t.strictSame(await contentOf(target), whole)
  })
}

t.test('a bundle whose manifest cannot be read is copied without its bytes', async t => {
  const { store, target } = await begin(t)
  await store.write(`bundles/${store.bundleId}/0/manifest.json`, '{"namespace":')

  const { cause, out } = await run(store.folder, target)

  t.equal(cause, 'unsound')
  t.match(out, /^damaged .*the manifest cannot be read/m)
  t.match(out, /^copied {5}7 B, bundles 3$/m)
})

const writes = ['put', 'create', 'replace', 'delete'] as const
const reads = ['list', 'read', 'open', 'sizeOf'] as const

for (const [claim, methods, step] of [
  ['at a write', writes, 1],
  ['at any call', [...reads, ...writes], 9]
] as const) {
  t.test(`cut ${claim}, a copy answers for nothing before all is there, and can be gone on with`, async t => {
    const { store } = await begin(t)
    const wanted = await contentOf(store.folder)
    const others = (await storeFiles(store.folder)).filter(path => !path.endsWith('lease.json'))
    let cutsCount = 0
    for (let isCut = true; isCut; cutsCount += 1) {
      const target = join(dirname(store.folder), `target-${cutsCount}`)

      isCut = await isCutAt(methods, step * cutsCount, () => run(store.folder, target))

      const found = existsSync(target) ? await storeFiles(target) : []
      const lacking = others.filter(path => !found.includes(path))
      const leases = found.filter(path => path.endsWith('lease.json'))
      t.ok(lacking.length === 0 || leases.length === 0, `cut ${cutsCount}`)
      if (isCut) t.equal((await run(store.folder, target)).cause, 'ok', `cut ${cutsCount}`)
      t.strictSame(await contentOf(target), wanted, `cut ${cutsCount}`)
    }
    t.ok(cutsCount > 10, `${cutsCount} cuts`)
  })
}

/** Makes a call of one of the methods fail, and every one after it. @param number how many come before */
async function isCutAt(
  methods: readonly (typeof reads | typeof writes)[number][],
  number: number,
  act: () => Promise<Copied>
): Promise<boolean> {
  let count = 0
  const undo = methods.map(method => {
    const original = LocalDriver.prototype[method]
    Object.assign(LocalDriver.prototype, {
      async [method](...args: unknown[]) {
        count += 1
        if (count > number) throw new StorageError('unavailable', 'cut')
        return Reflect.apply(original, this, args)
      }
    })
    return () => Object.assign(LocalDriver.prototype, { [method]: original })
  })
  try {
    const { cause, err } = await act()
    return cause === 'gaveUp' && err.includes(': cut; the same command goes on with the copy')
  } catch (error) {
    // Before it began.
    return error instanceof Error && error.message === 'cut'
  } finally {
    for (const back of undo) back()
  }
}

t.test('a copy that was stopped says that the same command goes on with it', async t => {
  const { store, target } = await begin(t)

  const stopped = await run(store.folder, target, { signal: AbortSignal.abort() })

  t.strictSame(stopped, {
    cause: 'internal',
    out: '',
    err: 'spark-stage-server: stopped before the end; the same command goes on with the copy, and no server takes it before\n'
  })
  t.match((await run(store.folder, target)).out, /^copied {5}18 B, bundles 3$/m)
})

/** Copies a store, and makes it a copy that is not finished. */
async function leaveUnfinished({ folder }: StagedStore, target: string): Promise<void> {
  await run(folder, target)
  await writeFile(join(target, 'copy.json'), JSON.stringify({ from: pathToFileURL(folder).href }))
}

t.test('a copy goes into a bucket and out of it again', async t => {
  const { store, target } = await begin(t)
  const { fake, keys } = await openBucket(t)
  const bucket = { url: 's3://bucket/pre/fix', s3: settingsOf(fake) }

  t.equal((await run(store.folder, bucket)).cause, 'ok')
  const copied = await contentOf(store.folder)
  t.strictSame(keys(), Object.keys(copied).sort())
  t.equal((await run(bucket, target)).cause, 'ok')

  t.strictSame(await contentOf(target), copied)
})

t.test('an upload that a cut left unfinished in a bucket is given up', async t => {
  const { store } = await begin(t)
  const { fake, bucket, keys } = await openBucket(t)
  const from = pathToFileURL(store.folder).href
  bucket.put('pre/fix/copy.json', Buffer.from(JSON.stringify({ from })), {})
  bucket.begin('pre/fix/bundles/x/0/data/0', {})

  t.equal((await run(store.folder, { url: 's3://bucket/pre/fix', s3: settingsOf(fake) })).cause, 'ok')

  t.strictSame(keys(), Object.keys(await contentOf(store.folder)).sort())
})

for (const [claim, cause, failure] of [
  ['full', 'noSpace', 'no-space'],
  ['away', 'gaveUp', 'unavailable'],
  ['broken', 'internal', 'broken']
] as const) {
  t.test(`a copy into a store that is ${claim} ends with that, and goes on later`, async t => {
    const { store, target } = await begin(t)
    const { put } = LocalDriver.prototype
    const fail = () => Promise.reject(new StorageError(failure, 'for a moment'))
    t.teardown(() => Object.assign(LocalDriver.prototype, { put }))
    Object.assign(LocalDriver.prototype, { put: fail })

    t.match(await run(store.folder, target), {
      cause,
      err: /: for a moment; the same command goes on with the copy/
    })

    Object.assign(LocalDriver.prototype, { put })
    t.equal((await run(store.folder, target)).cause, 'ok')
  })
}

t.test('a store that is away for a moment has lost nothing: its bytes are not left out', async t => {
  const { store, target } = await begin(t)
  const { open } = LocalDriver.prototype
  t.teardown(() => Object.assign(LocalDriver.prototype, { open }))
  Object.assign(LocalDriver.prototype, {
    open: () => Promise.reject(new StorageError('unavailable', 'away'))
  })

  const { cause, out } = await run(store.folder, target)

  t.equal(cause, 'gaveUp')
  t.equal(out, '')
})

for (const method of ['read', 'open'] as const) {
  t.test(`a copy that cannot be looked at is not called damaged (${method})`, async t => {
    const { store, target } = await begin(t)
    const original = LocalDriver.prototype[method]
    t.teardown(() => Object.assign(LocalDriver.prototype, { [method]: original }))
    let isCopied = false
    Object.assign(LocalDriver.prototype, {
      [method](...args: unknown[]) {
        if (isCopied) throw new StorageError('unavailable', 'away')
        return Reflect.apply(original, this, args)
      }
    })

    const stdout = new PassThrough().on('data', chunk => {
      isCopied ||= String(chunk).startsWith('copied ')
    })
    const places = { from: placeOf(store.folder), to: placeOf(target) }
    const cause = await copyCommand(places, { stdout, stderr: new PassThrough() }, never)

    t.equal(cause, 'gaveUp')
    t.equal(isCopied, true)
    t.match(await readFile(join(target, 'copy.json'), 'utf8'), 'file:')
  })
}

t.test('what is there already is not copied again', async t => {
  const { store, target } = await begin(t)
  await leaveUnfinished(store, target)
  await rm(join(target, `bundles/${store.bundleId}/0/data/0`))

  const { cause, out } = await run(store.folder, target)

  t.equal(cause, 'ok')
  t.match(out, /^copied {5}5 B, bundles 3; 13 B were there already$/m)
  t.strictSame(await contentOf(target), await contentOf(store.folder))
})

t.test('bytes that were cut off are copied again', async t => {
  const { store, target } = await begin(t)
  await leaveUnfinished(store, target)
  await writeFile(join(target, `bundles/${store.bundleId}/0/data/0`), 'fir')

  const { out } = await run(store.folder, target)

  t.match(out, /^copied {5}5 B, bundles 3; 13 B were there already$/m)
  t.strictSame(await contentOf(target), await contentOf(store.folder))
})

t.test('when the store has changed since a copy was cut, the copy becomes what the store is now', async t => {
  const { store, target } = await begin(t)
  await leaveUnfinished(store, target)
  await store.change(`bundles/${store.bundleId}/lease.json`, { hadOwner: true })
  await store.remove(store.endedId)
  await mkdir(join(target, 'index/team-b'), { recursive: true })
  await writeFile(join(target, 'index/team-b', store.endedId), '')
  await writeFile(join(target, 'index/team-a/zz'), '')
  await mkdir(join(target, 'bundles', '0'.repeat(32), '0/data'), { recursive: true })
  await writeFile(join(target, 'bundles', '0'.repeat(32), '0/data/0'), 'of a bundle that was swept')
  const [hint = ''] = (await storeFiles(target)).filter(path => path.startsWith('hints/'))
  await writeFile(join(target, hint), 'older')
  await writeFile(join(target, 'usage.json'), '{"held":{},"open":{}}')

  const { cause } = await run(store.folder, target)

  t.equal(cause, 'ok')
  t.strictSame(await contentOf(target), await contentOf(store.folder))
})

t.test('a thousand bundles that are gone from the store go from the copy too', async t => {
  const { store, target } = await begin(t)
  await leaveUnfinished(store, target)
  const folder = join(target, 'index/team-b')
  await mkdir(folder, { recursive: true })
  for (let number = 0; number < 1001; number += 1) await writeFile(join(folder, `${number}`), '')

  await run(store.folder, target)

  t.strictSame(await contentOf(target), await contentOf(store.folder))
})

t.test('a manifest that is another one is not overwritten', async t => {
  const { store, target } = await begin(t)
  await leaveUnfinished(store, target)
  const key = `bundles/${store.bundleId}/0/manifest.json`
  await writeFile(join(target, key), '{}')

  const { cause, err } = await run(store.folder, target)

  t.equal(cause, 'internal')
  t.match(
    err,
    `${key}: expected the text that the source has, found another: empty the target and copy again`
  )
  t.equal(await readFile(join(target, key), 'utf8'), '{}')
  t.notMatch(Object.keys(await contentOf(target)).join(), 'lease.json')
})

t.test('nothing is copied over a store', async t => {
  const { store, target } = await begin(t)
  const other = target
  await cp(store.folder, target, { recursive: true })
  const before = await contentOf(other)

  await t.rejects(run(store.folder, other), {
    message: 'the target holds a store of its own: name a place where nothing is yet'
  })

  t.strictSame(await contentOf(other), before)
})

t.test('nor over a finished copy, or over a ledger', async t => {
  const { store, target } = await begin(t)
  await run(store.folder, target)

  await t.rejects(run(store.folder, target), { message: /^the target holds a store of its own/ })

  for (const root of ['bundles', 'index', 'hints', 'due']) await rm(join(target, root), { recursive: true })
  await t.rejects(run(store.folder, target), { message: /^the target holds a store of its own/ })
})

t.test('nor over an unfinished copy of another store', async t => {
  const { store, target } = await begin(t)
  await leaveUnfinished(store, target)
  const other = join(dirname(target), 'other')
  await cp(store.folder, other, { recursive: true })

  await t.rejects(run(other, target), {
    message: `the target holds an unfinished copy of ${pathToFileURL(store.folder).href}: name that one, or another target`
  })
})

t.test('two copies that begin at once do not both believe to be the first', async t => {
  const { store, target } = await begin(t)
  const { create } = LocalDriver.prototype
  t.teardown(() => Object.assign(LocalDriver.prototype, { create }))
  Object.assign(LocalDriver.prototype, { create: async () => false })

  await t.rejects(run(store.folder, target), { message: /^the target holds a store of its own/ })
})

t.test('there has to be a whole store to copy, and another place', async t => {
  const { store, target } = await begin(t)
  const empty = join(dirname(target), 'empty')
  await (await LocalDriver.open(empty)).close()

  await t.rejects(run(store.folder, store.folder), {
    message: /^--from and --to: expected two stores, found the same twice: file:/
  })
  for (const [from, to] of [
    [store.folder, join(store.folder, 'copy')],
    [join(store.folder, 'copy'), `${store.folder}/x/..`],
    [
      { url: 's3://bucket', s3: {} },
      { url: 's3://bucket/copy', s3: {} }
    ]
  ] as const) {
    await t.rejects(run(from, to), {
      message: /^--from and --to: expected two stores, found one within the other: /
    })
  }
  await t.rejects(run(join(dirname(target), 'none'), target), { message: /^no store in / })
  await t.rejects(run(empty, target), { message: `there is nothing to copy in ${pathToFileURL(empty).href}` })
  await writeFile(join(store.folder, 'copy.json'), '{"from":"file:///x"}')
  await t.rejects(run(store.folder, target), {
    message: /^the store is an unfinished copy of file:\/\/\/x: end it by /
  })
  await t.rejects(readFile(join(target, 'lock.txt')), { code: 'ENOENT' })
})
