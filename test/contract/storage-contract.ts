import { Readable, Writable } from 'node:stream'
import type { Test } from 'tap'
import { listAll, listFolders, type StorageDriver } from '../../server/storage/storage-driver.ts'
import { MiB } from '../../shared/units.ts'
import { sha256 } from '../helpers/start-server.ts'
import { until } from '../helpers/until.ts'

/** A driver under test, and everything its store holds, so that nothing left behind goes unseen. */
export interface OpenedStore {
  readonly driver: StorageDriver
  /** All keys, sorted; also what is half-written. */
  keys(): Promise<readonly string[]>
}

const never = new AbortController().signal
const generous = { limitBytes: 64 * MiB }

/** The promises every StorageDriver keeps. Each driver's test file calls this and nothing else is shared. */
export function storageContract(t: Test, open: (t: Test) => Promise<OpenedStore>): void {
  const test = (name: string, body: (t: Test, driver: StorageDriver, store: OpenedStore) => Promise<void>) =>
    t.test(name, async t => {
      const store = await open(t)
      await body(t, store.driver, store)
    })

  test('bytes come back as they were put, with their size and digest', async (t, driver) => {
    const bytes = Buffer.from('some bytes of a jar')

    const stored = await driver.put('bundles/a/data/0', Readable.from([bytes]), generous, never)

    t.same(stored, { sizeBytes: bytes.length, sha256: sha256(bytes) })
    t.same(await readAll(driver, 'bundles/a/data/0', 0, bytes.length), bytes)
  })

  test('no bytes at all are bytes too', async (t, driver, store) => {
    const stored = await driver.put(
      'bundles/a/data/0',
      Readable.from([]),
      { ...generous, sizeBytes: 0 },
      never
    )

    t.same(stored, { sizeBytes: 0, sha256: sha256('') })
    t.same(await readAll(driver, 'bundles/a/data/0', 0, 0), Buffer.alloc(0))
    t.same(await store.keys(), ['bundles/a/data/0'])
  })

  test('any range can be read, also across pieces of many MiB', async (t, driver) => {
    const bytes = Buffer.alloc(5 * MiB + 17, 'spark stage ')
    await driver.put('bundles/a/data/0', Readable.from([Buffer.from(bytes)]), generous, never)

    for (const [start, end] of [
      [0, bytes.length],
      [1 * MiB - 1, 3 * MiB + 1],
      [bytes.length - 1, bytes.length],
      [7, 7]
    ] as const) {
      const found = await readAll(driver, 'bundles/a/data/0', start, end)

      t.ok(found.equals(bytes.subarray(start, end)), `bytes ${start} to ${end}`)
    }
  })

  test('putting again replaces the bytes', async (t, driver, store) => {
    await driver.put('bundles/a/data/0', Readable.from(['one']), generous, never)
    await driver.put('bundles/a/data/0', Readable.from(['two']), generous, never)

    t.equal((await readAll(driver, 'bundles/a/data/0', 0, 3)).toString(), 'two')
    t.same(await store.keys(), ['bundles/a/data/0'])
  })

  test('an upload that fails half-way leaves nothing behind', async (t, driver, store) => {
    async function* dyingClient() {
      yield Buffer.alloc(64)
      throw new Error('client went away')
    }

    const put = driver.put('bundles/a/data/0', Readable.from(dyingClient()), generous, never)

    await t.rejects(put, { message: 'client went away' })
    t.same(await store.keys(), [])
    await t.rejects(driver.open('bundles/a/data/0', { start: 0, end: 1 }), {
      name: 'StorageError',
      failure: 'not-found'
    })
  })

  test('an upload that is aborted leaves nothing behind', async (t, driver, store) => {
    const abort = new AbortController()
    const quietClient = new Readable({ read() {} })
    quietClient.push(Buffer.alloc(64))

    const put = driver.put('bundles/a/data/0', quietClient, generous, abort.signal)
    abort.abort(new Error('enough'))

    await t.rejects(put, { name: 'AbortError' })
    t.same(await store.keys(), [])
  })

  for (const [what, content, expected, code] of [
    ['more bytes than the limit', '12345', { limitBytes: 4 }, 'STAGE_ERR_TOO_LARGE'],
    ['more bytes than announced', '12345', { limitBytes: 9, sizeBytes: 4 }, 'STAGE_ERR_SIZE'],
    ['fewer bytes than announced', '123', { limitBytes: 9, sizeBytes: 4 }, 'STAGE_ERR_SIZE'],
    ['other bytes than announced', '1234', { limitBytes: 9, sha256: sha256('4321') }, 'STAGE_ERR_DIGEST']
  ] as const) {
    test(`${what} are refused, and what was there stays`, async (t, driver, store) => {
      await driver.put('bundles/a/data/0', Readable.from(['before']), generous, never)

      const put = driver.put('bundles/a/data/0', Readable.from([content]), expected, never)

      await t.rejects(put, { code })
      t.equal((await readAll(driver, 'bundles/a/data/0', 0, 6)).toString(), 'before')
      t.same(await store.keys(), ['bundles/a/data/0'])
    })
  }

  test('the size of an object is told without reading it', async (t, driver) => {
    await driver.put('bundles/a/data/0', Readable.from([Buffer.alloc(2 * MiB + 1)]), generous, never)
    await driver.create('due/a', '')

    t.equal(await driver.sizeOf('bundles/a/data/0'), 2 * MiB + 1)
    t.equal(await driver.sizeOf('due/a'), 0)
    await t.rejects(driver.sizeOf('due/b'), { name: 'StorageError', failure: 'not-found' })
  })

  test('a write counts as unfinished until it has succeeded or failed', async (t, driver) => {
    const abort = new AbortController()
    const quietClient = new Readable({ read() {} })
    // More than a store on the network holds back.
    quietClient.push(Buffer.alloc(6 * MiB))
    t.equal(await driver.countUnfinished(), 0)

    const put = driver.put('bundles/a/data/0', quietClient, generous, abort.signal)
    await until(async () => (await driver.countUnfinished()) === 1)
    abort.abort()

    await t.rejects(put, { name: 'AbortError' })
    t.equal(await driver.countUnfinished(), 0)
  })

  test('bytes are readable to the end by who opened them, though they are deleted meanwhile', async (t, driver) => {
    await driver.put('bundles/a/data/0', Readable.from(['still here']), generous, never)
    const opened = await driver.open('bundles/a/data/0', { start: 0, end: 10 })

    await driver.delete(['bundles/a/data/0'])

    const sink = collector()
    await opened.sendTo(sink, never)
    await opened.close()
    t.equal(sink.collected().toString(), 'still here')
  })

  test('a reader that goes away ends the sending', async (t, driver) => {
    await driver.put('bundles/a/data/0', Readable.from([Buffer.alloc(8 * MiB)]), generous, never)
    const opened = await driver.open('bundles/a/data/0', { start: 0, end: 8 * MiB })
    const sink: Writable = new Writable({ write: (_chunk, _encoding, _done) => void sink.destroy() })

    await t.rejects(opened.sendTo(sink, never))
    await t.rejects(opened.sendTo(sink, never), 'a closed sink is noticed at once')

    await opened.close()
  })

  test('a copy has the bytes and outlives its source', async (t, driver) => {
    await driver.put('bundles/a/data/0', Readable.from(['shared']), generous, never)

    t.equal(await driver.copy('bundles/a/data/0', 'bundles/b/data/3'), true)
    t.equal(await driver.copy('bundles/a/data/0', 'bundles/b/data/3'), true, 'doing it again is harmless')
    await driver.delete(['bundles/a/data/0'])

    t.equal((await readAll(driver, 'bundles/b/data/3', 0, 6)).toString(), 'shared')
  })

  test('a copy of what does not exist makes nothing', async (t, driver, store) => {
    t.equal(await driver.copy('bundles/a/data/0', 'bundles/b/data/3'), false)

    t.notOk((await store.keys()).includes('bundles/b/data/3'))
  })

  test('one of many creators wins, and its text stays', async (t, driver, store) => {
    const texts = Array.from({ length: 20 }, (_, number) => `text ${number}`)

    const wins = await Promise.all(texts.map(text => driver.create('bundles/a/lease.json', text)))

    t.equal(wins.filter(won => won).length, 1)
    t.equal((await driver.read('bundles/a/lease.json')).text, texts[wins.indexOf(true)])
    t.same(await store.keys(), ['bundles/a/lease.json'])
  })

  test('one of many swappers wins against one version', async (t, driver, store) => {
    await driver.create('bundles/a/lease.json', 'first')
    const { version } = await driver.read('bundles/a/lease.json')
    const texts = Array.from({ length: 20 }, (_, number) => `next ${number}`)

    const wins = await Promise.all(texts.map(text => driver.replace('bundles/a/lease.json', text, version)))

    t.equal(wins.filter(won => won).length, 1)
    t.equal((await driver.read('bundles/a/lease.json')).text, texts[wins.indexOf(true)])
    t.same(await store.keys(), ['bundles/a/lease.json'])
  })

  test('what is gone cannot be swapped or read', async (t, driver, store) => {
    await driver.create('bundles/a/lease.json', 'first')
    const { version } = await driver.read('bundles/a/lease.json')
    await driver.delete(['bundles/a/lease.json'])

    t.equal(await driver.replace('bundles/a/lease.json', 'second', version), false)
    await t.rejects(driver.read('bundles/a/lease.json'), { name: 'StorageError', failure: 'not-found' })
    t.same(await store.keys(), [])
  })

  test('a folder is listed in pages, sorted, files and folders alike', async (t, driver) => {
    const names = ['07', '1', '10', '2', 'a', 'b']
    for (const name of names) await driver.create(`due/${name}`, '')
    await driver.create('due/folder/x', '')

    t.same(await driver.list('due/', '', 3), ['07', '1', '10'])
    t.same(await driver.list('due/', '10', 3), ['2', 'a', 'b'])
    t.same(await driver.list('due/', 'b', 3), ['folder/'])
    t.same(await driver.list('due/', 'folder/', 3), [])
    t.same(await driver.list('absent/', '', 3), [])
    t.same(await Array.fromAsync(listAll(driver, 'due/', 2)), [...names, 'folder/'])
    t.same(await Array.fromAsync(listAll(driver, 'due/', 2, '2')), ['a', 'b', 'folder/'])
  })

  test('names that begin alike keep their order, and come once each', async (t, driver) => {
    const folders = ['team', 'team-a', 'team.b', 'team0', 'tea']
    for (const folder of folders) await driver.create(`index/${folder}/x`, '')
    await driver.create('index/team-', '')

    const sorted = ['tea/', 'team-', 'team-a/', 'team.b/', 'team/', 'team0/']
    for (const pageSize of [1, 2, 3, 6, 7]) {
      t.same(await Array.fromAsync(listAll(driver, 'index/', pageSize)), sorted, `${pageSize} at a time`)
    }
    t.same(await Array.fromAsync(listFolders(driver, 'index/')), ['tea', 'team-a', 'team.b', 'team', 'team0'])
  })

  test('deleting removes both sorts of objects and the folders they leave empty', async (t, driver, store) => {
    await driver.put('bundles/a/data/0', Readable.from(['bytes']), generous, never)
    await driver.create('bundles/a/manifest.json', '{}')
    await driver.create('bundles/b/lease.json', '{}')

    await driver.delete(['bundles/a/data/0', 'bundles/a/manifest.json', 'bundles/a/never-there'])

    t.same(await store.keys(), ['bundles/b/lease.json'])
    t.same(await driver.list('bundles/', '', 10), ['b/'])
    await driver.delete([])
  })

  test('writing and deleting in one folder at the same time loses nothing', async (t, driver, store) => {
    const keep = Array.from({ length: 40 }, (_, number) => `due/hour/keep-${number}`)

    await Promise.all(
      keep.map(async (key, number) => {
        await driver.create(`due/hour/drop-${number}`, '')
        await Promise.all([driver.create(key, ''), driver.delete([`due/hour/drop-${number}`])])
      })
    )
    const churn = Array.from({ length: 40 }, async (_, number) => {
      await driver.create(`due/${number % 3}/x-${number}`, '')
      await driver.delete([`due/${number % 3}/x-${number}`])
    })
    await Promise.all(churn)

    t.same(await store.keys(), [...keep].sort())
  })

  test('a store that takes writes says so, and nothing stays of the trial', async (t, driver, store) => {
    await driver.probe()

    t.same(await store.keys(), [])
  })

  test('a store that was let go takes nothing any more', async (t, driver) => {
    await driver.close()
    await driver.close()

    const calls: readonly Promise<unknown>[] = [
      driver.create('due/a', ''),
      driver.read('due/a'),
      driver.replace('due/a', '', ''),
      driver.list('due/', '', 1),
      driver.delete(['due/a']),
      driver.sizeOf('due/a'),
      driver.probe(),
      driver.countUnfinished(),
      driver.space?.() ?? driver.probe(),
      driver.copy('due/a', 'due/b'),
      driver.open('due/a', { start: 0, end: 1 }),
      driver.put('due/a', Readable.from(['x']), generous, never)
    ]

    const outcomes = await Promise.allSettled(calls)
    for (const outcome of outcomes) {
      t.match(outcome, { status: 'rejected', reason: { name: 'StorageError', failure: 'broken' } })
    }
  })

  test('keys that could lead elsewhere are refused', async (t, driver) => {
    for (const key of ['../x', 'a/../../x', '/etc/passwd', 'a//b', 'a/.b', 'a\0b', 'a\\b']) {
      await t.rejects(driver.read(key), { name: 'StorageError', failure: 'broken' }, JSON.stringify(key))
    }
  })
}

async function readAll(driver: StorageDriver, key: string, start: number, end: number): Promise<Buffer> {
  const opened = await driver.open(key, { start, end })
  try {
    const sink = collector()
    await opened.sendTo(sink, never)
    return sink.collected()
  } finally {
    await opened.close()
  }
}

/** A slow sink that keeps copies: the buffers it is given are used again. */
function collector(): Writable & { collected(): Buffer } {
  const chunks: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      setImmediate(done)
    }
  })
  return Object.assign(sink, { collected: () => Buffer.concat(chunks) })
}
