import { join } from 'node:path'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { LocalDriver } from '../../../server/storage/local-driver.ts'
import type { StorageDriver } from '../../../server/storage/storage-driver.ts'
import { bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { call, stage, upload } from '../../helpers/call.ts'
import { findLosses, type Trace, withoutOneSync } from '../../helpers/durability.ts'
import { credential, sha256, startServer } from '../../helpers/start-server.ts'
import { type DiskStep, watchDisk } from '../../helpers/watched-disk.ts'
import { watchStore } from '../../helpers/watched-store.ts'

const never = new AbortController().signal

/** Records what `act` does on a new store in `folder`; it says itself when something was answered. */
async function record(
  t: Test,
  act: (driver: StorageDriver, answer: (what: string) => void) => Promise<void>
): Promise<{ readonly trace: Trace; readonly ignored: (path: string) => boolean }> {
  const folder = join(t.testdir(), 'new', 'deep', 'store')
  const trace: (Trace[number] | DiskStep)[] = []
  const driver = await LocalDriver.open(folder, watchDisk({ after: step => trace.push(step) }))
  t.teardown(() => driver.close())
  await act(driver, what => trace.push({ op: 'answer', path: what }))
  return { trace, ignored: path => path === join(folder, 'tmp') || path.startsWith(join(folder, 'tmp/')) }
}

/** Asserts the rule for a trace, and that every single one of its syncs is needed for that. */
function assertDurable(t: Test, trace: Trace, ignored: (path: string) => boolean): void {
  t.same(findLosses(trace, ignored), [])
  const mutants = [...withoutOneSync(trace)]
  t.ok(mutants.length > 0, `${mutants.length} syncs`)
  for (const [path, mutant] of mutants)
    t.not(findLosses(mutant, ignored).length, 0, `without the sync of ${path}`)
}

const puts = (driver: StorageDriver, key: string) =>
  driver.put(key, Readable.from(['bytes']), { limitBytes: 9 }, never)

const writes: Readonly<
  Record<string, (driver: StorageDriver, answer: (what: string) => void) => Promise<void>>
> = {
  'opening a new store': async (_driver, answer) => answer('open'),
  'putting bytes': async (driver, answer) => {
    await puts(driver, 'bundles/a/data/0')
    answer('put')
  },
  'putting more bytes beside them': async (driver, answer) => {
    await puts(driver, 'bundles/a/data/0')
    answer('put')
    await puts(driver, 'bundles/a/data/1')
    answer('put')
  },
  'copying bytes': async (driver, answer) => {
    await puts(driver, 'bundles/a/data/0')
    answer('put')
    await driver.copy('bundles/a/data/0', 'bundles/b/data/0')
    answer('copy')
  },
  'creating a small object': async (driver, answer) => {
    await driver.create('due/2026-01-01T00/a', '')
    answer('create')
  },
  'swapping a small object': async (driver, answer) => {
    await driver.create('bundles/a/lease.json', 'first')
    answer('create')
    await driver.replace(
      'bundles/a/lease.json',
      'second',
      (await driver.read('bundles/a/lease.json')).version
    )
    answer('replace')
  },
  'deleting objects and the folders above them': async (driver, answer) => {
    await puts(driver, 'bundles/a/data/0')
    answer('put')
    await driver.create('bundles/a/lease.json', 'text')
    answer('create')
    await driver.delete(['bundles/a/data/0'])
    answer('delete')
    await driver.delete(['bundles/a/lease.json'])
    answer('delete')
  },
  'creating again in a folder that went': async (driver, answer) => {
    await driver.create('index/team-a/x', '')
    answer('create')
    await driver.delete(['index/team-a/x'])
    answer('delete')
    await driver.create('index/team-a/y', '')
    answer('create')
  }
}

for (const [what, act] of Object.entries(writes)) {
  t.test(`${what} is on disk before it is answered, and needs each of its syncs`, async t => {
    const { trace, ignored } = await record(t, act)

    assertDurable(t, trace, ignored)
  })
}

t.test('every request that changes something is on disk before its answer', async t => {
  const trace: (Trace[number] | DiskStep)[] = []
  // What the next step builds on must be there for good as well, so each return of the store counts as an answer.
  const server = await startServer(t, {
    disk: watchDisk({ after: step => trace.push(step) }),
    wrapStore: store => watchStore(store, { after: method => trace.push({ op: 'answer', path: method }) })
  })
  const answered = (what: string, status: number) => {
    trace.push({ op: 'answer', path: `${what} ${status}` })
    t.ok(status < 300, `${what} ${status}`)
  }

  const staged = await stage(server, [['files', 'a.txt', 'one shot']])
  answered('one-shot', staged.status)
  const entries = [{ kind: 'files', name: 'b.txt', sizeBytes: 5, sha256: sha256('draft') }]
  const declared = await upload(server, 'POST', bundlesPath('team-a'), { entries })
  answered('declare', declared.status)
  const bundle = bundlePath('team-a', declared.json.bundleId)
  const headers = { authorization: `Bearer ${credential}` }
  const put = await call(server, 'PUT', `${bundle}/blobs/${sha256('draft')}`, { headers, body: 'draft' })
  answered('put', put.status)
  answered('commit', (await upload(server, 'POST', `${bundle}/commit`)).status)
  const again = await upload(server, 'POST', bundlesPath('team-a'), { entries })
  answered('declare with a claim', again.status)
  answered('renew', (await upload(server, 'POST', `${bundle}/renew`)).status)
  answered('revoke', (await upload(server, 'DELETE', bundle)).status)

  const ignored = (path: string) =>
    path.startsWith(join(server.folder, 'tmp')) || path.startsWith(server.keysDirectory)
  t.same(again.json.missing, [])
  assertDurable(t, trace, ignored)
})
