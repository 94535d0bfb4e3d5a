import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { realSurroundings } from '../../init-container/surroundings.ts'
import { MiB } from '../../shared/units.ts'
import { bundleId, fakeFile, fakeServer } from './fake-server.ts'
import { fetching } from './fetching.ts'

type Writev = (
  this: FileHandle,
  buffers: readonly Buffer[],
  position: number
) => Promise<{ bytesWritten: number }>

/** Replaces how files are written until the test ends. */
async function interceptWrites(t: Test, replace: (original: Writev) => Writev): Promise<void> {
  await using file = await open(import.meta.filename)
  // A boundary: the class has no name that could be imported.
  const prototype = Object.getPrototypeOf(file) as { writev: Writev }
  const original = prototype.writev
  prototype.writev = replace(original)
  t.teardown(() => {
    prototype.writev = original
  })
}

t.test('too little free space is found before the first byte is asked for', async t => {
  const server = await fakeServer(t, [
    fakeFile('files/x', randomBytes(1000)),
    fakeFile('files/y', randomBytes(500))
  ])
  const { run, surroundings, into } = fetching(t, server.url)
  surroundings.freeBytes = async () => 1499

  await t.rejects(run(), {
    message: `${into}: expected 1500 bytes of free space, found 1499 bytes`,
    failure: { exit: 'noSpace' }
  })

  t.equal(server.entryRequests.length, 0)
})

t.test('only what is still missing needs space', async t => {
  const [kept, part, gone] = ['files/kept', 'files/part', 'files/gone'].map(path =>
    fakeFile(path, randomBytes(1000))
  )
  if (kept === undefined || part === undefined || gone === undefined) throw new Error('three files')
  const server = await fakeServer(t, [kept, part, gone])
  const { run, surroundings, into } = fetching(t, server.url)
  await run()
  await writeFile(join(into, 'files/part'), 'damaged')
  await writeFile(join(into, 'files/gone'), 'damaged')
  surroundings.freeBytes = async () => 1999

  await t.rejects(run(), { message: /expected 2000 bytes/ })

  await writeFile(join(into, `.partial-${bundleId}`, '1.part'), part.bytes.subarray(0, 400))
  surroundings.freeBytes = async () => 1600
  t.equal((await run()).fetchedBytes, 1600)
})

t.test('a disk that fills up meanwhile is told as such, and the part stays', async t => {
  for (const code of ['ENOSPC', 'EDQUOT']) {
    t.test(code, async t => {
      const file = fakeFile('files/x', randomBytes(3 * MiB))
      const server = await fakeServer(t, [file])
      const { run, into } = fetching(t, server.url)
      let written = false
      await interceptWrites(
        t,
        original =>
          async function (buffers, position) {
            if (written) throw Object.assign(new Error(`${code}: no space left on device, write`), { code })
            written = true
            return original.call(this, buffers, position)
          }
      )

      await t.rejects(run(), {
        message: `${into}: expected free space, found ${code} (${code}: no space left on device, write)`,
        failure: { exit: 'noSpace' }
      })

      t.ok((await stat(join(into, `.partial-${bundleId}`, '0.part'))).size >= MiB)
    })
  }
})

t.test('a write that takes only some of the bytes is continued', async t => {
  const file = fakeFile('files/x', randomBytes(2 * MiB))
  const server = await fakeServer(t, [file])
  const { run, into } = fetching(t, server.url)
  await interceptWrites(
    t,
    original =>
      async function (buffers, position) {
        return original.call(this, buffers.slice(0, 1), position)
      }
  )

  await run()

  t.ok((await readFile(join(into, 'files/x'))).equals(file.bytes))
})

t.test('a staging directory that cannot be one is a usage error', async t => {
  const server = await fakeServer(t, [fakeFile('files/x', 'x')])
  const into = import.meta.filename
  const { run } = fetching(t, server.url, { into })

  await t.rejects(run(), {
    message: /disk\.test\.ts: expected a folder that can be written, found EEXIST/,
    failure: { exit: 'usage' }
  })
})

t.test('a folder in the place of a file is a usage error', async t => {
  const server = await fakeServer(t, [fakeFile('files/x', 'x')])
  const { run, into } = fetching(t, server.url)
  await mkdir(join(into, 'files/x'), { recursive: true })

  await t.rejects(run(), { message: /EISDIR/, failure: { exit: 'usage' } })
})

t.test('the real machine tells its free space', async t => {
  const freeBytes = await realSurroundings.freeBytes(t.testdir())

  t.ok(freeBytes > 0 && Number.isFinite(freeBytes))
})

t.test('a file system that does not tell its size is believed to have space', async t => {
  t.equal(await realSurroundings.freeBytes('/proc'), Number.POSITIVE_INFINITY)
})

t.test('a fault that is no disk and no network is thrown as it is', async t => {
  const server = await fakeServer(t, [fakeFile('files/x', 'x')])
  const { run } = fetching(t, server.url)
  const fault = new TypeError('a fault of ours')
  await interceptWrites(t, () => () => Promise.reject(fault))

  await t.rejects(run(), fault)
})
