import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { Pax } from 'tar'
import { unpack } from '../../../init-container/fork/unpack.ts'
import { realSurroundings } from '../../../init-container/surroundings.ts'
import { KiB, MiB } from '../../../shared/units.ts'
import { temporaryFolder } from '../fetching.ts'
import { archiveOf, type Member, tarOf } from './archives.ts'

/** What an error must say. */
const failing = <F>(failure: F) => ({ message: /./, failure })

const never = new AbortController().signal

/** A folder to unpack into, two folders down, so that what leaves it is seen. */
async function unpacking(t: Test, archive: Buffer, freeBytes = 1e12) {
  const home = temporaryFolder(t)
  const into = join(home, 'outer', 'into')
  await mkdir(into, { recursive: true })
  await writeFile(join(home, 'archive'), archive)
  const surroundings = { ...realSurroundings, freeBytes: async () => freeBytes }
  const run = () => unpack('jars.tgz', join(home, 'archive'), into, surroundings, never)
  const tree = async () => (await readdir(home, { recursive: true })).sort()
  return { home, into, run, tree }
}

t.test('files and folders are unpacked with their bytes, whatever their owner and mode were', async t => {
  const members: readonly Member[] = [
    { path: './', type: 'Directory', mode: 0o700 },
    { path: './a.jar', content: 'a', mode: 0, uid: 12_345, gid: 12_345 },
    { path: 'lib/', type: 'Directory', mode: 0o755 },
    { path: 'lib/b.jar', content: 'b'.repeat(100_000) },
    { path: 'run.sh', content: '#!', mode: 0o4755 },
    { path: 'empty' }
  ]
  const { into, run } = await unpacking(t, archiveOf(members))

  t.match(await run(), { fileCount: 4, sizeBytes: 100_003 })

  t.same((await readdir(into, { recursive: true })).sort(), ['a.jar', 'empty', 'lib', 'lib/b.jar', 'run.sh'])
  t.equal(await readFile(join(into, 'lib/b.jar'), 'utf8'), 'b'.repeat(100_000))
  t.equal((await stat(join(into, 'a.jar'))).uid, process.getuid?.())
})

t.test('an archive without members is one', async t => {
  const { run } = await unpacking(t, archiveOf([]))

  t.match(await run(), { memberCount: 0, fileCount: 0, sizeBytes: 0 })
})

t.test('an archive that ends without its end blocks is one', async t => {
  const { into, run } = await unpacking(t, gzipSync(tarOf([{ path: 'a', content: 'a' }]).subarray(0, 1024)))

  await run()

  t.equal(await readFile(join(into, 'a'), 'utf8'), 'a')
})

const good: Member = { path: 'good', content: 'good' }
const hostile: readonly (readonly [claim: string, members: readonly Member[], found: string])[] = [
  ['a way out', [{ path: '../escaped', content: 'x' }], '"../escaped"'],
  ['a way out in the middle', [{ path: 'lib/../../escaped', content: 'x' }], '"lib/../../escaped"'],
  ['a folder that is a way out', [{ path: '../escaped/', type: 'Directory' }], '"../escaped/"'],
  ['an absolute name', [{ path: '/tmp/escaped', content: 'x' }], '"/tmp/escaped"'],
  ['the root', [{ path: '/', type: 'Directory' }], '"/"'],
  ['a name of another system', [{ path: '..\\escaped', content: 'x' }], '"..\\\\escaped"'],
  ['a name with a control character', [{ path: 'a\nb', content: 'x' }], '"a\\nb"'],
  ['a name without a name', [{ path: 'lib//x', content: 'x' }], '"lib//x"'],
  [
    'a link that leaves, and a file through it',
    [
      { path: 'way', type: 'SymbolicLink', linkpath: '/tmp' },
      { path: 'way/escaped', content: 'x' }
    ],
    'a SymbolicLink, "way"'
  ],
  ['a link that stays', [{ path: 'way', type: 'SymbolicLink', linkpath: 'good' }], 'a SymbolicLink, "way"'],
  ['a hard link', [{ path: 'way', type: 'Link', linkpath: '/etc/passwd' }], 'a Link, "way"'],
  ['a character device', [{ path: 'device', type: 'CharacterDevice' }], 'a CharacterDevice, "device"'],
  ['a block device', [{ path: 'device', type: 'BlockDevice' }], 'a BlockDevice, "device"'],
  ['a fifo', [{ path: 'pipe', type: 'FIFO' }], 'a FIFO, "pipe"'],
  ['a contiguous file', [{ path: 'c', type: 'ContiguousFile' }], 'a ContiguousFile, "c"'],
  [
    'something that tar does not know',
    [{ path: 'dump', type: 'TapeVolumeHeader' }],
    'a TapeVolumeHeader, "dump"'
  ]
]

for (const [claim, members, found] of hostile) {
  t.test(`${claim} is refused, and not written`, async t => {
    const { run, tree } = await unpacking(t, archiveOf([good, ...members, good]))

    await t.rejects(
      run(),
      failing({
        exit: 'damaged',
        subject: 'jars.tgz',
        expected: 'only files and folders with plain names',
        found
      })
    )

    const left = (await tree()).filter(path => !['archive', 'outer', 'outer/into'].includes(path))
    t.ok(left.length === 0 || left.join() === 'outer/into/good', `${left}`)
  })
}

const broken: readonly (readonly [claim: string, archive: Buffer, found: string | RegExp])[] = [
  ['text', Buffer.from('hello'), /Z_DATA_ERROR/],
  ['nothing', Buffer.alloc(0), /Z_BUF_ERROR|TAR_BAD_ARCHIVE/],
  ['a tar that was not packed', tarOf([good]), /Z_DATA_ERROR/],
  ['an archive cut short', archiveOf([good]).subarray(0, 60), /Z_BUF_ERROR/],
  ['a packed text', gzipSync('hello'), /TAR_BAD_ARCHIVE/],
  ['a packed long text', gzipSync('hello'.repeat(1000)), /TAR_ENTRY_INVALID/],
  ['an archive packed twice', gzipSync(archiveOf([good])), 'something else packed'],
  [
    'a member cut short',
    gzipSync(tarOf([{ path: 'a', content: Buffer.alloc(5000) }]).subarray(0, 2000)),
    /TAR_BAD_ARCHIVE/
  ],
  [
    'a file below a file',
    archiveOf([
      { path: 'a', content: 'x' },
      { path: 'a/b', content: 'x' }
    ]),
    /ENOTDIR|EEXIST|TAR/
  ],
  [
    'a folder in the place of a file',
    archiveOf([
      { path: 'a/', type: 'Directory' },
      { path: 'a/b', content: 'x' },
      { path: 'a', content: 'x' }
    ]),
    /EISDIR|ENOTEMPTY/
  ]
]

for (const [claim, archive, found] of broken) {
  t.test(`${claim} is told from an archive`, async t => {
    const { run } = await unpacking(t, archive)

    await t.rejects(run(), failing({ exit: 'damaged', subject: 'jars.tgz', found }))
  })
}

t.test('a long name is held to the same rules', async t => {
  const named = (path: string) =>
    gzipSync(Buffer.concat([new Pax({ path }).encode(), tarOf([{ path: 'short', content: 'x' }])]))
  const long = `${'folder/'.repeat(30)}file`
  const { into, run } = await unpacking(t, named(long))
  const { run: runHostile } = await unpacking(t, named('../escaped'))

  await run()
  await t.rejects(runHostile(), failing({ exit: 'damaged', found: '"../escaped"' }))

  t.equal(await readFile(join(into, long), 'utf8'), 'x')
})

t.test('a damaged byte is noticed', async t => {
  const archive = archiveOf([{ path: 'a', content: 'content that is long enough to be hit in the middle' }])
  archive.writeUInt8(archive.readUInt8(archive.length - 6) ^ 1, archive.length - 6)
  const { run } = await unpacking(t, archive)

  await t.rejects(run(), failing({ exit: 'damaged', found: /Z_DATA_ERROR/ }))
})

t.test('what does not fit is refused before it is written', async t => {
  const archive = archiveOf([good, { path: 'big', content: Buffer.alloc(100 * KiB) }])
  const { into, run } = await unpacking(t, archive, 50 * KiB)

  await t.rejects(run(), failing({ exit: 'noSpace', found: /^at least \d+ bytes$/ }))

  t.notOk((await readdir(into)).includes('big'))
})

t.test('many empty files need space too', async t => {
  const archive = archiveOf(Array.from({ length: 20 }, (_, index) => ({ path: `file-${index}` })))
  const { run } = await unpacking(t, archive, 50 * KiB)

  await t.rejects(run(), failing({ exit: 'noSpace' }))
})

t.test('a bomb is refused, however much space there is', async t => {
  const zeros = gzipSync(Buffer.alloc(200 * MiB), { level: 9 })
  for (const [claim, archive] of [
    ['one large member', gzipSync(tarOf([{ path: 'zeros', size: 7 * 1024 * MiB }]))],
    ['endless padding', Buffer.concat([archiveOf([good]), zeros])]
  ] as const) {
    t.test(claim, async t => {
      const { run } = await unpacking(t, archive)

      await t.rejects(
        run(),
        failing({
          exit: 'damaged',
          expected: /^an archive of at most \d+ bytes$/,
          found: /^at least \d+ bytes$/
        })
      )
    })
  }
})

t.test('a disk that fails is no fault of the archive', async t => {
  const { into, run } = await unpacking(t, archiveOf([good]))
  await import('node:fs/promises').then(({ rm }) => rm(dirname(into), { recursive: true }))
  await writeFile(dirname(into), '')

  await t.rejects(run())
})

t.test('a signal ends it with its reason', async t => {
  const { home, into } = await unpacking(t, archiveOf([good]))
  const reason = new Error('stop')

  await t.rejects(
    unpack('jars.tgz', join(home, 'archive'), into, realSurroundings, AbortSignal.abort(reason)),
    reason
  )
})
