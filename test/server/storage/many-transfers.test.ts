import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import t from 'tap'
import { LocalDriver } from '../../../server/storage/local-driver.ts'
import { KiB, MiB } from '../../../shared/units.ts'
import { sha256, storeFiles } from '../../helpers/start-server.ts'
import { until } from '../../helpers/until.ts'

const never = new AbortController().signal
const content = randomBytes(3 * MiB + 1)

t.test(
  'of many downloads at once the first use large pieces, the last small ones, and all are right',
  async t => {
    const driver = await LocalDriver.open(join(t.testdir(), 'store'))
    t.teardown(() => driver.close())
    await driver.put('data', Readable.from([Buffer.from(content)]), { limitBytes: content.length }, never)
    const start = async () => {
      const received: Buffer[] = []
      const gate = Promise.withResolvers<void>()
      const sink = new Writable({
        write: (piece, _encoding, done) => {
          received.push(Buffer.from(piece))
          void gate.promise.then(() => done())
        }
      })
      const bytes = await driver.open('data', { start: 0, end: content.length })
      const sent = bytes.sendTo(sink, never).finally(() => bytes.close())
      await until(() => received.length === 1)
      return { received, sent, letGo: () => gate.resolve() }
    }
    const downloads: Awaited<ReturnType<typeof start>>[] = []

    for (let n = 0; n < 66; n += 1) downloads.push(await start())

    const firstPieces = downloads.map(({ received }) => received[0]?.length)
    t.same(firstPieces, [
      ...Array(12).fill(1 * MiB),
      ...Array(52).fill(256 * KiB),
      ...Array(2).fill(64 * KiB)
    ])
    for (const { letGo } of downloads) letGo()
    for (const { sent, received } of downloads) {
      await sent
      t.ok(Buffer.concat(received).equals(content))
    }
    const again = await start()
    t.equal(again.received[0]?.length, 1 * MiB, 'places are free again')
    again.letGo()
    await again.sent
  }
)

t.test('of many uploads at once all are whole, and those that fail leave their places to others', async t => {
  const folder = join(t.testdir(), 'store')
  const driver = await LocalDriver.open(folder)
  t.teardown(() => driver.close())
  const start = (key: string) => {
    const source = new PassThrough()
    source.write(content.subarray(0, 100 * KiB))
    const stored = driver.put(key, source, { limitBytes: content.length }, never)
    return { source, stored }
  }

  for (const round of [0, 1]) {
    const uploads = Array.from({ length: 20 }, (_, n) => start(`data-${round}-${n}`))
    await until(async () => (await storeFiles(folder)).filter(path => path.startsWith('tmp/')).length === 20)
    for (const [n, { source, stored }] of uploads.entries()) {
      if (n % 2 === 0) {
        source.end(content.subarray(100 * KiB))
        t.same(await stored, { sizeBytes: content.length, sha256: sha256(content) })
      } else {
        source.destroy(new Error('client went away'))
        await t.rejects(stored, { message: 'client went away' })
      }
    }
  }

  const files = await storeFiles(folder)
  t.equal(files.length, 20)
  t.notOk(files.some(path => path.startsWith('tmp/')))
})

t.test('beyond those that gather, more than may come is refused all the same', async t => {
  const folder = join(t.testdir(), 'store')
  const driver = await LocalDriver.open(folder)
  t.teardown(() => driver.close())
  const slow = Array.from({ length: 16 }, (_, n) => {
    const source = new PassThrough()
    return { source, stored: driver.put(`slow-${n}`, source, { limitBytes: 1 }, never) }
  })
  await until(async () => (await storeFiles(folder)).length === 16)

  const refused = driver.put('large', Readable.from([Buffer.alloc(2)]), { limitBytes: 1 }, never)

  await t.rejects(refused, { code: 'STAGE_ERR_TOO_LARGE' })
  for (const { source, stored } of slow) {
    source.end('1')
    t.match(await stored, { sizeBytes: 1 })
  }
})
