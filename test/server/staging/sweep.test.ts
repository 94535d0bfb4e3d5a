import t from 'tap'
import { createStaging } from '../../../server/staging/staging.ts'
import { SweepRunner } from '../../../server/staging/sweep-runner.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { bundlesPath } from '../../../shared/paths.ts'
import { dayMs, hourMs, secondMs } from '../../../shared/units.ts'
import { download, stage, upload } from '../../helpers/call.ts'
import { sha256, startServer } from '../../helpers/start-server.ts'
import { TestClock } from '../../helpers/test-clock.ts'
import { until } from '../../helpers/until.ts'
import { watchStore } from '../../helpers/watched-store.ts'
import { type Objects, simulatedStore } from '../../property/simulated-store.ts'
import { limits, storedObjects, sweepWith, times } from './sweep-cost.ts'

const minuteMs = 60 * secondMs
const never = new AbortController().signal
const bundleId = '0'.repeat(32)
const silent = { ended: () => {}, failed: () => {} }

t.test(
  'a bundle whose lease has run out is removed, answers when, and is forgotten with its last token',
  async t => {
    const clock = new TestClock()
    const server = await startServer(t, { clock })
    const { bundleId, token } = (await stage(server, [['files', 'a.txt', 'bytes']])).json

    const passes = (claim: (files: readonly string[]) => boolean) =>
      until(async () => {
        clock.advance(minuteMs)
        return claim(await server.files())
      })

    clock.advance(7 * dayMs + hourMs)
    await passes(files => !files.some(path => path.startsWith('index/')))
    const gone = await download(server, bundleId, token)
    clock.advance(dayMs + hourMs)
    await passes(files => files.length === 2)
    const dayLater = await server.files()
    clock.advance(366 * dayMs)
    await passes(files => files.length === 0)

    t.match(gone, { status: 410, error: { code: 'STAGE_ERR_GONE', reason: 'expired' } })
    t.match(dayLater, [`bundles/${bundleId}/lease.json`, 'due/'], 'what stays is the answer for late readers')
    t.ok(server.logLines.some(line => line.includes('bundle ended') && line.includes(bundleId)))
  }
)

t.test('a draft that nobody goes on with is removed with all that it had', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock })
  const entries = [{ kind: 'files', name: 'a.txt', sizeBytes: 5, sha256: sha256('bytes') }]
  const { bundleId } = (await upload(server, 'POST', bundlesPath('team-a'), { entries })).json

  clock.advance(2 * hourMs)
  await until(async () => !(await server.files()).includes(`index/team-a/${bundleId}`))

  t.notOk((await server.files()).some(path => path.includes('manifest')))
})

t.test('what is read stays, however often it is swept', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock })
  const { bundleId, token } = (await stage(server, [['files', 'a.txt', 'bytes']])).json

  for (let day = 0; day < 30; day += 1) {
    clock.advance(dayMs)
    t.equal((await download(server, bundleId, token, '/entries/files/a.txt')).bytes.toString(), 'bytes')
  }
})

t.test('nothing is removed because the store fails, and the next sweep goes on', async t => {
  const clock = new TestClock()
  let fails: 'list' | 'read' | undefined
  const server = await startServer(t, {
    clock,
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (method === fails) throw new StorageError('broken', `${method} fails`)
        }
      })
  })
  await stage(server, [['files', 'a.txt', 'bytes']])
  const before = await server.files()

  for (const method of ['list', 'read'] as const) {
    fails = method
    const logged = server.logLines.length
    clock.advance(8 * dayMs)
    await until(() => server.logLines.slice(logged).some(line => /not swept|sweep failed/.test(line)))
    t.same(await server.files(), before)
  }
  fails = undefined
  clock.advance(minuteMs)
  await until(async () => !(await server.files()).some(path => path.includes('/data/')))
})

t.test('a marker without a lease is settled, so that a slow writer finds out', async t => {
  const clock = new TestClock(Date.parse('2026-01-01T00:00:00Z'))
  const foreign = 'bundles/0123456789abcdef0123456789abcdef/notes'
  const objects: Objects = new Map([
    ['due/2026-01-01T00/0123456789abcdef0123456789abcdef', ''],
    ['bundles/0123456789abcdef0123456789abcdef/0/data/0', 'came late'],
    [foreign, 'of another hand']
  ])
  const staging = createStaging(
    simulatedStore(objects, async () => {}),
    clock,
    times,
    limits
  )

  clock.advance(59 * minuteMs)
  await staging.sweep(silent, never)
  t.equal(objects.size, 3, 'its hour is not over: its lease may be just about to be created')

  clock.advance(minuteMs)
  await staging.sweep(silent, never)

  const lease = JSON.parse(objects.get('bundles/0123456789abcdef0123456789abcdef/lease.json') ?? '{}')
  t.match(lease, { state: 'ended', reason: 'failed' })
  clock.advance(400 * dayMs)
  await staging.sweep(silent, never)
  t.same([...objects.keys()], [foreign])
})

/** A server over a store with one bundle, which is due. */
function storeOne() {
  const clock = new TestClock()
  const objects: Objects = new Map(storedObjects(1, clock.now()))
  const store = simulatedStore(objects, async () => {})
  return { clock, objects, staging: createStaging(store, clock, times, limits) }
}

t.test('a bundle whose lease was lost stays, and each sweep says so until somebody helps', async t => {
  const { clock, objects, staging } = storeOne()
  const lease = objects.get(`bundles/${bundleId}/lease.json`) ?? ''
  objects.delete(`bundles/${bundleId}/lease.json`)
  const before = new Map(objects)
  const errors: unknown[] = []
  const report = { ended: () => t.fail('ended'), failed: (_id: string, error: unknown) => errors.push(error) }

  clock.advance(400 * dayMs)
  t.match(await staging.sweep(report, never), { looked: 1, ended: 0, forgotten: 0, failed: 1 })

  t.match(errors[0], {
    message: `bundles/${bundleId}/0/manifest.json: expected a lease beside it, found none; restore bundles/${bundleId}/lease.json from a backup, or remove bundles/${bundleId}/ and run \`spark-stage-server verify\``
  })
  t.same([...objects], [...before])
  objects.set(`bundles/${bundleId}/lease.json`, lease)
  await staging.sweep(silent, never)
  t.same(
    [...objects.keys()].filter(key => key !== 'usage.json'),
    []
  )
})

for (const meanwhile of ['comes up', 'is gone with its bundle'] as const) {
  t.test(`a lease that ${meanwhile} while its marker is looked at is not lost`, async t => {
    const clock = new TestClock()
    const objects: Objects = new Map(storedObjects(1, clock.now()))
    const [leaseKey, manifestKey] = [`bundles/${bundleId}/lease.json`, `bundles/${bundleId}/0/manifest.json`]
    const lease = objects.get(leaseKey) ?? ''
    objects.delete(leaseKey)
    const store = watchStore(
      simulatedStore(objects, async () => {}),
      {
        after: (method, [key]) => {
          if (method !== 'read' || key !== manifestKey) return
          if (meanwhile === 'comes up') objects.set(leaseKey, lease)
          else objects.delete(manifestKey)
        }
      }
    )
    const staging = createStaging(store, clock, times, limits)
    const failed = (_id: string, error: unknown) => t.fail(String(error))

    t.match(await staging.sweep({ ended: () => {}, failed }, never), { looked: 1, ended: 0, failed: 0 })

    t.ok(
      [...objects.keys()].some(key => key.startsWith('due/')),
      'the next sweep looks again'
    )
    t.equal(objects.has(leaseKey), meanwhile === 'comes up')
  })
}

t.test('what another hand put beside the bytes stays, and keeps nothing else', async t => {
  const { clock, objects, staging } = storeOne()
  const foreign = ['a_b', 'x/stray', '0.bak'].map(name => `bundles/${bundleId}/0/data/${name}`)
  for (const key of foreign) objects.set(key, 'of another hand')
  for (let data = 0; data < 1001; data += 1) objects.set(`bundles/${bundleId}/0/data/${data}`, 'x')

  clock.advance(400 * dayMs)
  t.match(await staging.sweep(silent, never), { failed: 0 })

  t.same([...objects.keys()].filter(key => key !== 'usage.json').sort(), foreign.sort())
})

t.test('a sweep of 100 due bundles costs the same with 1,000 and with 10,000 stored', async t => {
  const few = await sweepWith(1000)
  const many = await sweepWith(10_000)

  for (const { summary } of [few, many]) t.match(summary, { looked: 100, ended: 100, failed: 0 })
  t.equal(many.callsCount, few.callsCount)
})

t.test('sweeps never overlap, and stopping waits for the one that runs', async t => {
  const clock = new TestClock()
  let started = 0
  let release = () => {}
  const summary = { looked: 0, ended: 0, forgotten: 0, failed: 0 }
  const sweep = async () => {
    started += 1
    await new Promise<void>(resolve => {
      release = resolve
    })
    return summary
  }
  const done: unknown[] = []
  const runner = new SweepRunner(sweep, clock, minuteMs, {
    ...silent,
    done: told => done.push(told),
    wrongClock: () => t.fail('it is the only clock'),
    leaped: () => t.fail('nobody set the clock'),
    broken: error => void t.fail(`${error}`)
  })

  clock.advance(3 * minuteMs)
  t.equal(started, 1)
  release()
  await until(() => done.length === 1)
  clock.advance(minuteMs)
  const stopped = runner.stop()
  release()
  await stopped
  clock.advance(minuteMs)

  t.equal(started, 2)
  t.same(done, [summary, summary])
})

t.test(
  'a clock that leaps ahead ends nothing for an hour; one that is set a little, or back, is no matter',
  async t => {
    const clock = new TestClock()
    const leaps: number[] = []
    let sweepsCount = 0
    const sweep = async () => {
      sweepsCount += 1
      return { looked: 0, ended: 0, forgotten: 0, failed: 0 }
    }
    const runner = new SweepRunner(sweep, clock, 60 * minuteMs * 24 * 365, {
      ...silent,
      done: () => {},
      wrongClock: () => t.fail('it is the only clock'),
      leaped: ms => leaps.push(ms),
      broken: error => void t.fail(`${error}`)
    })

    clock.leap(30_000)
    await runner.run()
    clock.leap(-60 * minuteMs)
    await runner.run()
    t.equal(sweepsCount, 2)
    clock.leap(30 * 24 * 60 * minuteMs)
    await runner.run()
    clock.leap(-30 * 24 * 60 * minuteMs)
    clock.advance(59 * minuteMs)
    await runner.run()
    t.equal(sweepsCount, 2)
    clock.advance(minuteMs)
    await runner.run()

    t.equal(sweepsCount, 3)
    t.same(leaps, [30 * 24 * 60 * minuteMs])
    await runner.stop()
  }
)

t.test('what is no hour among the markers keeps nothing from being swept', async t => {
  const objects: Objects = new Map([
    ['due/.DS_Store', ''],
    ['due/2025/x', ''],
    [`due/2026-01-01T00/${'a'.repeat(32)}`, '']
  ])
  const store = simulatedStore(objects, async () => {})
  const times = { leaseMs: 7 * 86_400_000, draftLeaseMs: 3_600_000, maxAgeMs: 365 * 86_400_000 }
  const staging = createStaging(store, new TestClock(), times, { maxUploadBytes: 1000, maxEntriesCount: 10 })

  t.match(await staging.sweep(silent, new AbortController().signal), { looked: 1, failed: 0 })
})

t.test('a server whose clock is set far ahead says so, and removes nothing', async t => {
  const clock = new TestClock()
  const server = await startServer(t, { clock })
  await stage(server, [['files', 'a.txt', 'bytes']])
  const before = await server.files()

  clock.leap(30 * dayMs)
  clock.advance(minuteMs)
  await until(() => server.logLines.some(line => line.includes('clock went ahead')))

  t.same(await server.files(), before)
})

t.test("a server whose own clock is not the store's does not sweep until it is", async t => {
  let asideMs = 61_000
  const wrong: number[] = []
  const clock = Object.assign(new TestClock(), { asideMs: () => asideMs })
  const sweep = async () => ({ looked: 0, ended: 0, forgotten: 0, failed: 0 })
  const done: unknown[] = []
  const runner = new SweepRunner(sweep, clock, 60 * minuteMs, {
    ...silent,
    done: told => done.push(told),
    wrongClock: ms => wrong.push(ms),
    leaped: () => t.fail('nobody set the clock'),
    broken: error => void t.fail(`${error}`)
  })

  await runner.run()
  t.same([done.length, wrong], [0, [61_000]])
  asideMs = 60_000
  await runner.run()

  t.same([done.length, wrong], [1, [61_000]])
  await runner.stop()
})

t.test("a server whose clock is not the store's says so, and removes nothing", async t => {
  const clock = Object.assign(new TestClock(), { asideMs: () => 3_600_000 })
  const server = await startServer(t, { clock })
  const { bundleId } = (await stage(server, [['files', 'a', 'x']])).json

  clock.advance(minuteMs)
  await until(() => server.logLines.some(line => line.includes("clock is not the store's, no sweep")))
  clock.advance(30 * dayMs)
  await until(() => server.logLines.filter(line => line.includes('no sweep')).length > 1)

  t.ok((await server.files()).some(path => path.startsWith(`bundles/${bundleId}/0/data/`)))
})
