import { mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { nodeDisk } from '../../../server/storage/disk.ts'
import { LocalDriver } from '../../../server/storage/local-driver.ts'
import { KiB, MiB } from '../../../shared/units.ts'
import { sha256, storeFiles } from '../../helpers/start-server.ts'
import { type DiskStep, watchDisk } from '../../helpers/watched-disk.ts'

const never = new AbortController().signal
const generous = { limitBytes: 64 * MiB }

/** A new store whose disk fails the steps that `fails` names, with that code. */
async function openFailing(t: Test, fails: (step: DiskStep) => string | undefined) {
  const folder = join(t.testdir(), 'store')
  const before = (step: DiskStep) => {
    const code = fails(step)
    if (code !== undefined) throw Object.assign(new Error(`${code}: ${step.op}`), { code, syscall: step.op })
  }
  const driver = await LocalDriver.open(folder, watchDisk({ before }))
  t.teardown(() => driver.close())
  return { driver, folder }
}

t.test('a second server on one store is told who has it, and may have it once the first is done', async t => {
  const folder = join(t.testdir(), 'store')
  const first = await LocalDriver.open(folder)

  await t.rejects(LocalDriver.open(folder), {
    name: 'StorageError',
    failure: 'busy',
    message: new RegExp(`in use by process ${process.pid} on .* since `)
  })
  await rm(join(folder, 'lock.txt'))
  await t.rejects(LocalDriver.open(folder), { failure: 'busy', message: /in use by another process/ })
  await first.close()

  const second = await LocalDriver.open(folder)
  await second.close()
})

t.test('a lock file that is none is told as that, and not as another process', async t => {
  const folder = join(t.testdir(), 'store')
  await (await LocalDriver.open(folder)).close()
  await writeFile(join(folder, 'lock.db'), 'x'.repeat(5000))

  await t.rejects(LocalDriver.open(folder), {
    failure: 'broken',
    message: /cannot be a store: .*not a database/
  })
})

t.test('what a dead server left half-written is removed at the next start', async t => {
  const folder = join(t.testdir(), 'store')
  await (await LocalDriver.open(folder)).close()
  await writeFile(join(folder, 'tmp', 'left'), 'half')

  const driver = await LocalDriver.open(folder)
  t.teardown(() => driver.close())

  t.same(await storeFiles(folder), [])
})

t.test(
  'a store that is only looked at keeps what a crash left, and is not made where there is none',
  async t => {
    const home = t.testdir({ file: 'no folder' })
    const folder = join(home, 'store')
    await (await LocalDriver.open(folder)).close()
    await writeFile(join(folder, 'tmp', 'left'), 'half')

    const driver = await LocalDriver.openExisting(folder)
    t.equal(await driver.countUnfinished(), 1)
    await t.rejects(LocalDriver.openExisting(folder), { failure: 'busy', message: /in use by process/ })
    await driver.close()

    t.same(await storeFiles(folder), ['tmp/left'])
    await t.rejects(LocalDriver.openExisting(join(home, 'none')), {
      failure: 'not-found',
      message: `no store in ${join(home, 'none')}`
    })
    await t.rejects(LocalDriver.openExisting(join(home, 'file')), {
      name: 'StorageError',
      failure: 'broken'
    })
    t.same(await readdir(home), ['file', 'store'])
  }
)

t.test('a store that cannot be made is the store’s failure', async t => {
  const home = t.testdir({ file: 'no folder' })

  await t.rejects(LocalDriver.open(join(home, 'file', 'store')), {
    name: 'StorageError',
    failure: 'broken',
    message: /store cannot be a store: expected a folder that this process may make or write, found ENOTDIR/
  })
})

t.test('a store that has no space to be made is told so', async t => {
  const before = ({ op }: DiskStep) => {
    if (op === 'mkdir') throw Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' })
  }

  await t.rejects(LocalDriver.open(join(t.testdir(), 'store'), watchDisk({ before })), {
    name: 'StorageError',
    failure: 'no-space'
  })
})

t.test('a disk that fails to read, list, remove or take a trial is the store’s failure', async t => {
  const { driver, folder } = await openFailing(t, ({ op, path }) =>
    op === 'unlink' && !path.includes('/store/tmp/') ? 'EIO' : undefined
  )
  await driver.create('bundles/a/lease.json', 'text')
  await mkdir(join(folder, 'bundles', 'folder'))
  await writeFile(join(folder, 'file'), '')

  await t.rejects(driver.read('bundles/folder'), { name: 'StorageError', failure: 'broken' })
  await t.rejects(driver.replace('bundles/folder', 'text', ''), { name: 'StorageError', failure: 'broken' })
  await t.rejects(driver.list('file/', '', 10), { name: 'StorageError', failure: 'broken' })
  await t.rejects(driver.delete(['bundles/a/lease.json']), { name: 'StorageError', failure: 'broken' })
})

t.test('where a folder cannot be synced, nothing new stays, and of a swap either text', async t => {
  let isFailing = false
  const { driver, folder } = await openFailing(t, ({ op, path }) =>
    isFailing && op === 'sync' && path === folder ? 'EIO' : undefined
  )
  await driver.create('usage.json', 'before')
  const { version } = await driver.read('usage.json')

  isFailing = true
  await t.rejects(driver.replace('usage.json', 'after', version), { name: 'StorageError', failure: 'broken' })
  await t.rejects(driver.create('new.json', ''), { name: 'StorageError', failure: 'broken' })
  isFailing = false

  t.match(await driver.read('usage.json'), { text: /^(before|after)$/ })
  t.same(await storeFiles(folder), [])
})

t.test('a store says how much room its disk has', async t => {
  const { driver, folder } = await openFailing(t, () => undefined)

  const { totalBytes, freeBytes } = await driver.space()
  const { bsize, blocks } = await statfs(folder)
  await rm(folder, { recursive: true })

  t.equal(totalBytes, bsize * blocks)
  t.ok(freeBytes > 0 && freeBytes <= totalBytes)
  await t.rejects(driver.space(), { name: 'StorageError', failure: 'not-found' })
})

t.test('a full disk is told from a broken one', async t => {
  let code: string | undefined
  const { driver, folder } = await openFailing(t, ({ op }) => (op === 'write' ? code : undefined))

  for (const [failing, failure] of [
    ['ENOSPC', 'no-space'],
    ['EDQUOT', 'no-space'],
    ['EIO', 'broken']
  ] as const) {
    code = failing
    await t.rejects(driver.probe(), { name: 'StorageError', failure })
    await t.rejects(driver.create('due/x', ''), { name: 'StorageError', failure })
    await t.rejects(driver.put('bundles/a/0/data/0', Readable.from(['x']), generous, never), {
      failure,
      name: 'StorageError'
    })
  }
  code = undefined

  t.same(await storeFiles(folder), [])
  await driver.probe()
})

t.test('a file that has no room for another link is sent anew', async t => {
  const failing = new Set<string>()
  const { driver } = await openFailing(t, step =>
    'to' in step && failing.has(step.to.slice(-1)) ? 'EMLINK' : undefined
  )
  await driver.put('bundles/a/0/data/0', Readable.from(['bytes']), generous, never)

  failing.add('7')

  t.equal(await driver.copy('bundles/a/0/data/0', 'bundles/b/0/data/7'), false)
})

t.test('a disk that fails while it looks for the source, or copies, is the store’s failure', async t => {
  let code: string | undefined
  const folder = join(t.testdir(), 'store')
  const fail = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'lstat' }))
  const disk = watchDisk({
    before: ({ op }) => {
      if (op === 'link' && code !== undefined) throw Object.assign(new Error(code), { code, syscall: 'link' })
    }
  })
  const driver = await LocalDriver.open(folder, { ...disk, lstat: fail as typeof nodeDisk.lstat })
  t.teardown(() => driver.close())
  await driver.put('bundles/a/0/data/0', Readable.from(['bytes']), generous, never)

  await t.rejects(driver.copy('bundles/none/0/data/0', 'bundles/b/0/data/0'), {
    failure: 'broken',
    name: 'StorageError'
  })
  code = 'EIO'
  await t.rejects(driver.copy('bundles/a/0/data/0', 'bundles/b/0/data/0'), {
    failure: 'broken',
    name: 'StorageError'
  })
})

t.test('a folder that goes away again and again ends in an error, not in a loop', async t => {
  const { driver } = await openFailing(t, ({ op, path }) =>
    op === 'mkdir' && path.endsWith('/due') ? 'ENOENT' : undefined
  )

  await t.rejects(driver.create('due/2026-01-01T00/a', ''), { name: 'StorageError', failure: 'not-found' })
})

t.test(
  'a folder that cannot be removed is the store’s failure, and one that is gone already is not',
  async t => {
    let code: string | undefined
    const { driver } = await openFailing(t, ({ op }) => (op === 'rmdir' ? code : undefined))
    await driver.create('due/a', '')
    await driver.create('index/a', '')

    code = 'EACCES'
    await t.rejects(driver.delete(['due/a']), { name: 'StorageError', failure: 'broken' })
    code = 'ENOENT'
    await driver.delete(['index/a'])
  }
)

t.test('a disk that writes short is written to until all is there', async t => {
  const folder = join(t.testdir(), 'store')
  const open: typeof nodeDisk.open = async (...args) => {
    const file = await nodeDisk.open(...args)
    const write = file.write.bind(file)
    // Never more than three bytes at a time.
    file.write = ((bytes: Buffer) => write(bytes.subarray(0, 3))) as typeof file.write
    return file
  }
  const driver = await LocalDriver.open(folder, { ...nodeDisk, open })
  t.teardown(() => driver.close())

  const stored = await driver.put(
    'bundles/a/0/data/0',
    Readable.from(['one', 'second', 'x']),
    generous,
    never
  )

  t.same(stored, { sizeBytes: 10, sha256: sha256('onesecondx') })
  const chunks: Buffer[] = []
  const opened = await driver.open('bundles/a/0/data/0', { start: 0, end: 10 })
  const sink = new Writable({
    write: (chunk, _encoding, done) => done(void chunks.push(Buffer.from(chunk)) as undefined)
  })
  await opened.sendTo(sink, never)
  await opened.close()
  t.equal(Buffer.concat(chunks).toString(), 'onesecondx')
})

t.test('more transfers at once than there are large buffers all get their bytes', async t => {
  const { driver } = await openFailing(t, () => undefined)
  const bytes = Buffer.alloc(700 * KiB, 'abc')
  await driver.put('bundles/a/0/data/0', Readable.from([Buffer.from(bytes)]), generous, never)
  const transfersCount = 40
  let startedCount = 0
  const { promise: allStarted, resolve: start } = Promise.withResolvers<void>()

  const digests = await Promise.all(
    Array.from({ length: transfersCount }, async () => {
      const opened = await driver.open('bundles/a/0/data/0', { start: 0, end: bytes.length })
      const chunks: Buffer[] = []
      const sink = new Writable({
        write(chunk: Buffer, _encoding, done) {
          if (chunks.length === 0) startedCount += 1
          if (startedCount === transfersCount) start()
          void allStarted.then(() => {
            chunks.push(Buffer.from(chunk))
            done()
          })
        }
      })
      await opened.sendTo(sink, never)
      await opened.close()
      return sha256(Buffer.concat(chunks))
    })
  )

  t.same(new Set(digests), new Set([sha256(bytes)]))
})

t.test('a sink that fails ends the sending with its error', async t => {
  const { driver } = await openFailing(t, () => undefined)
  await driver.put('bundles/a/0/data/0', Readable.from(['bytes']), generous, never)
  const opened = await driver.open('bundles/a/0/data/0', { start: 0, end: 5 })
  const sink = new Writable({
    autoDestroy: false,
    write: (_chunk, _encoding, done) => done(new Error('no more'))
  })
  sink.on('error', () => {})

  await t.rejects(opened.sendTo(sink, never), { message: 'no more' })
  await opened.close()
})

t.test('a folder that goes away while something is linked into it is made again', async t => {
  let failures = 1
  const { driver, folder } = await openFailing(t, step => {
    if (step.op !== 'link' || !step.to.endsWith('/7') || failures === 0) return undefined
    failures -= 1
    return 'ENOENT'
  })
  await driver.put('bundles/a/0/data/0', Readable.from(['bytes']), generous, never)

  t.equal(await driver.copy('bundles/a/0/data/0', 'bundles/b/0/data/7'), true)

  t.same(await storeFiles(folder), ['bundles/a/0/data/0', 'bundles/b/0/data/7'])
})

t.test('a file that is shorter than promised is the store’s failure', async t => {
  const { driver } = await openFailing(t, () => undefined)
  await driver.put('bundles/a/0/data/0', Readable.from(['short']), generous, never)
  const opened = await driver.open('bundles/a/0/data/0', { start: 0, end: 9 })
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() })

  await t.rejects(opened.sendTo(sink, never), { name: 'StorageError', failure: 'broken' })
  await opened.close()
})
