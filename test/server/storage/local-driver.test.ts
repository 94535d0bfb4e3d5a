import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { LocalDriver } from '../../../server/storage/local-driver.ts'
import { storageContract } from '../../contract/storage-contract.ts'
import { storeFiles } from '../../helpers/start-server.ts'

storageContract(t, async t => {
  const folder = join(t.testdir(), 'store')
  const driver = await LocalDriver.open(folder)
  t.teardown(() => driver.close())
  return { driver, keys: () => storeFiles(folder) }
})

t.test(
  'an empty folder that a crash left goes at the next look into it, and at the next delete from it',
  async t => {
    const folder = join(t.testdir(), 'store')
    const driver = await LocalDriver.open(folder)
    t.teardown(() => driver.close())
    const [listed, deletedFrom] = [join(folder, 'bundles/a/0/data'), join(folder, 'index/team-a')]
    await mkdir(listed, { recursive: true })
    await mkdir(deletedFrom, { recursive: true })

    const names = await driver.list('bundles/a/0/data/', '', 10)
    await driver.delete(['index/team-a/b'])

    t.same(names, [])
    const left = await readdir(folder)
    t.notOk(left.includes('bundles') || left.includes('index'), `only ${left} are left`)
  }
)

t.test('the folder for what is being written stays, however empty', async t => {
  const folder = join(t.testdir(), 'store')
  const driver = await LocalDriver.open(folder)
  t.teardown(() => driver.close())

  await driver.countUnfinished()

  t.ok((await stat(join(folder, 'tmp'))).isDirectory())
})

t.test('what is still on its way when the store is let go never appears there', async t => {
  const folder = join(t.testdir(), 'store')
  const driver = await LocalDriver.open(folder)
  const source = new PassThrough()
  const putting = driver.put('data/0', source, { limitBytes: 10 }, new AbortController().signal)
  source.write('bytes')

  await driver.close()
  const next = await LocalDriver.open(folder)
  t.teardown(() => next.close())
  source.end()

  await t.rejects(putting, { name: 'StorageError', failure: 'broken', message: /the store is closed/ })
  t.same(await storeFiles(folder), [])
})
