import { readFile, rm } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { LocalDriver } from '../../server/storage/local-driver.ts'
import { showVerification, verifyCommand } from '../../server/verify-command.ts'
import { replaceMethods } from '../helpers/replaced-store.ts'
import { makeStore, type StagedStore } from './staging/verification/staged-store.ts'
import { openBucket, settingsOf } from './storage/opened-bucket.ts'

const never = new AbortController().signal

/** Runs the command on a store, and tells what it wrote. */
async function run(
  { folder }: Pick<StagedStore, 'folder'>,
  { isTTY = false, signal = never, stepMs = 0 } = {}
): Promise<{ cause: string; out: string; err: string }> {
  const stdout = new PassThrough()
  const stderr = Object.assign(new PassThrough(), { isTTY })
  let nowMs = 0
  const now = () => {
    nowMs += stepMs
    return nowMs
  }
  const cause = await verifyCommand(
    { url: pathToFileURL(folder).href, s3: {} },
    { stdout, stderr },
    signal,
    now
  )
  return { cause, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') }
}

t.test('of a whole store it says what it holds, and that nothing is wrong', async t => {
  const { cause, out, err } = await run(await makeStore(t))

  t.equal(cause, 'ok')
  t.equal(
    out,
    `bundles    committed 1, draft 1, ended 1
read       18 B
held       11 B in namespace team-a, committed 1
ledger     counts what is there
pending    0, which sweeps will settle
leftovers  unfinished writes 0, hints that lead nowhere 0: harmless
findings   damaged 0, orphan 0, unmarked 0
`
  )
  t.equal(err, 'Reading: 18 B of 18 B\n')
})

t.test('each finding is one line that says what to do, and any of them makes the store unsound', async t => {
  const store = await makeStore(t)
  const bundle = `bundles/${store.bundleId}`
  await store.write(`${bundle}/0/data/0`, 'fir')
  await store.write(`${bundle}/0/data/7`, 'stray')
  await store.write('bundles/x/y', '')
  await store.write('due/.x', '')

  const { cause, out } = await run(store)

  const lines = out.split('\n')
  const name = `team-a/${store.bundleId}`
  t.equal(cause, 'unsound')
  t.ok(
    lines.includes(
      `damaged ${name}: the bytes of a file are not what was staged: ${bundle}/0/data/0 (files/a.txt): ` +
        'expected 5 bytes, found 3 bytes. Restore it from a backup, or revoke the bundle and stage its files again. [bytes-wrong]'
    )
  )
  t.match(out, new RegExp(`^orphan ${name}: no manifest names these bytes: .*/7: expected `, 'm'))
  t.match(out, /^orphan: nothing of this name belongs there: due\/\.x: /m)
  t.match(out, /^orphan x: nothing of this name belongs there: bundles\/x: expected nothing, found "x"\./m)
  t.match(out, /^findings {3}damaged 1, orphan 3, unmarked 0$/m)
})

for (const [what, damage] of [
  ['an orphan', (store: StagedStore) => store.write('bundles/x/y', '')],
  ['a bundle without a marker', (store: StagedStore) => store.remove('due/')]
] as const) {
  t.test(`${what} alone makes a store unsound`, async t => {
    const store = await makeStore(t)
    await damage(store)

    t.equal((await run(store)).cause, 'unsound')
  })
}

t.test('on a terminal there is a bar, and what is found stands above it', async t => {
  const store = await makeStore(t)
  await store.write(`bundles/${store.bundleId}/0/data/0`, 'fIrst')

  const { out, err } = await run(store, { isTTY: true, stepMs: 100 })

  t.match(err, /Reading +━+─*.* 100% +18 B of 18 B/)
  t.match(err, '\r\u001b[K', 'the bar makes room')
  t.match(out, /^damaged .*\nbundles /)
})

t.test('a long look says how far it has come', async t => {
  const { err } = await run(await makeStore(t), { stepMs: 4000 })

  t.match(err, /^Looking: bundle 1\nLooking: bundle 2\nLooking: bundle 3\nReading: /)
})

for (const [what, text, said] of [
  [
    'that counts something else',
    '{"held":{"team-a":{"bytes":7,"bundlesCount":3},"gone":{"bytes":1024,"bundlesCount":1}},"open":{}}',
    'counted 1.0 KiB held and 0 B reserved; set right'
  ],
  ['that cannot be read', '{"held":', 'could not be read; made anew'],
  ['that is something else', '[]', 'could not be read; made anew']
] as const) {
  t.test(`a ledger ${what} is set right, and the store is not unsound for it`, async t => {
    const store = await makeStore(t)
    await store.write('usage.json', text)

    const first = await run(store)
    const second = await run(store)

    t.equal(first.cause, 'ok')
    t.match(first.out, `\nledger     ${said}\n`)
    t.match(second.out, '\nledger     counts what is there\n')
    const held = { 'team-a': { bytes: 11, bundlesCount: 1 } }
    t.match(JSON.parse(await readFile(`${store.folder}/usage.json`, 'utf8')), { held })
  })
}

t.test('a ledger that is gone is made anew', async t => {
  const store = await makeStore(t)
  await rm(`${store.folder}/usage.json`)

  t.match((await run(store)).out, /\nledger {5}counted 0 B held and 0 B reserved; set right\n/)
  t.match((await run(store)).out, /\nledger {5}counts what is there\n/)
})

t.test('a ledger that a server changes meanwhile is left alone', async t => {
  const store = await makeStore(t)
  const changed = '{"held":{},"open":{"0123456789abcdef0123456789abcdef/0":{"namespace":"team-b","bytes":9}}}'
  await store.write('usage.json', '{"held":{},"open":{}}')
  const stdout = new PassThrough()
  const driver = await LocalDriver.openExisting(store.folder)
  t.teardown(() => driver.close())
  const beside = replaceMethods(driver, {
    countUnfinished: async () => {
      await store.write('usage.json', changed)
      return 0
    }
  })

  t.equal(await showVerification(beside, { stdout, stderr: new PassThrough() }, never, () => 0), 'ok')

  t.match(
    String(stdout.read()),
    '\nledger     not checked: a server changed it meanwhile; stop all servers and verify again\n'
  )
  t.equal(await readFile(`${store.folder}/usage.json`, 'utf8'), changed)
})

t.test('a ledger that follows from damaged leases is left alone', async t => {
  const store = await makeStore(t)
  await store.write(`bundles/${store.bundleId}/lease.json`, 'no lease')
  await store.write('usage.json', '{"held":{},"open":{}}')

  const { out } = await run(store)

  t.match(out, /\nledger {5}not checked: it follows from the leases, and some are damaged\n/)
  t.equal(await readFile(`${store.folder}/usage.json`, 'utf8'), '{"held":{},"open":{}}')
})

t.test('when it is stopped it says so, and lets go of the store', async t => {
  const store = await makeStore(t)

  const stopped = await run(store, { signal: AbortSignal.abort() })

  t.same(stopped, {
    cause: 'internal',
    out: '',
    err: 'spark-stage-server: stopped before the end; nothing was changed\n'
  })
  t.equal((await run(store)).cause, 'ok')
})

t.test('a store that cannot be looked at is told with its cause', async t => {
  const store = await makeStore(t)
  await store.remove('due/')
  await rm(`${store.folder}/due`, { recursive: true })
  await store.write('due', 'a file')

  const { cause, err } = await run(store)

  t.equal(cause, 'internal')
  t.match(err, /^spark-stage-server: list due\/: ENOTDIR.*; nothing was changed$/m)
})

t.test('a folder without a store is refused, and stays as it is', async t => {
  await t.rejects(run({ folder: t.testdir() }), { name: 'StorageError', failure: 'not-found' })
})

t.test('a prefix below which nothing is, is refused, and one with a store is looked at', async t => {
  const { fake, driver, keys } = await openBucket(t)
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const verify = () =>
    verifyCommand({ url: 's3://bucket/pre/fix', s3: settingsOf(fake) }, { stdout, stderr }, never, () => 0)

  await driver.create('other/usage.json', 'a store below this prefix')
  await t.rejects(verify(), { failure: 'not-found', message: 'no store in s3://bucket/pre/fix' })
  await driver.delete(['other/usage.json'])
  await driver.create('usage.json', '{"held":{},"open":{}}')

  t.equal(await verify(), 'ok')
  t.same(keys(), ['usage.json'])
})
