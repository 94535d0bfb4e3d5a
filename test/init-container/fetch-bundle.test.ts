import { chmod, lstat, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { bundleId, fakeFile, fakeServer, namespace } from './fake-server.ts'
import { fetching, temporaryFolder } from './fetching.ts'

const marker = '.spark-stage-complete'
const app = fakeFile('app/job.py', 'print("hello")\n')
const script = fakeFile('files/run.sh', '#!/bin/sh\n', { executable: true })

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o7777).toString(8)
}

/** Every path below the folder, sorted. */
async function tree(folder: string): Promise<readonly string[]> {
  return (await readdir(folder, { recursive: true })).sort()
}

function withUmask(t: Test, umask: number): void {
  const previous = process.umask(umask)
  t.teardown(() => process.umask(previous))
}

t.test('lays out exactly the files of the manifest, and the marker last', async t => {
  const server = await fakeServer(t, [app, script])
  const { run, into, progress } = fetching(t, server.url)

  const summary = await run()

  t.match(summary, { fileCount: 2, sizeBytes: 25, fetchedBytes: 25, fetchedFileCount: 2, keptFileCount: 0 })
  t.same(await tree(into), [marker, 'app', 'app/job.py', 'files', 'files/run.sh'])
  t.equal(await readFile(join(into, 'app/job.py'), 'utf8'), 'print("hello")\n')
  t.same(JSON.parse(await readFile(join(into, marker), 'utf8')), {
    bundle: `${namespace}/${bundleId}`,
    fileCount: 2,
    sizeBytes: 25
  })
  t.same(progress.at(-1), { fileCount: 2, doneFileCount: 2, sizeBytes: 25, doneBytes: 25 })
})

t.test('any UID can read everything and executables stay executable, whatever the umask', async t => {
  withUmask(t, 0o077)
  const server = await fakeServer(t, [app, script])
  const { run, into } = fetching(t, server.url)

  await run()

  t.equal(await modeOf(join(into, 'app')), '755')
  t.equal(await modeOf(join(into, 'app/job.py')), '644')
  t.equal(await modeOf(join(into, 'files/run.sh')), '755')
  t.equal(await modeOf(join(into, marker)), '644')
})

t.test('a staging directory that does not exist is made for everyone to read', async t => {
  withUmask(t, 0o077)
  const server = await fakeServer(t, [app])
  const into = join(temporaryFolder(t), 'a/new')
  const { run } = fetching(t, server.url, { into })

  await run()

  t.equal(await modeOf(into), '755')
})

t.test('the mode of a staging directory that exists is left alone', async t => {
  const server = await fakeServer(t, [app])
  const { run, into } = fetching(t, server.url)
  await chmod(into, 0o777)

  await run()

  t.equal(await modeOf(into), '777')
})

t.test('an empty file is laid out without asking for its bytes', async t => {
  const server = await fakeServer(t, [fakeFile('files/empty', '')])
  const { run, into } = fetching(t, server.url)

  await run()

  t.equal((await stat(join(into, 'files/empty'))).size, 0)
  t.equal(server.entryRequests.length, 0)
})

t.test('a name of 255 bytes is laid out', async t => {
  const name = `${'ä'.repeat(127)}x`
  const server = await fakeServer(t, [fakeFile(`files/${name}`, 'long')])
  const { run, into } = fetching(t, server.url)

  await run()

  t.equal(await readFile(join(into, 'files', name), 'utf8'), 'long')
})

t.test('two entries over one path are one file, executable when one of them is', async t => {
  const one = fakeFile('files/x', 'same', { alias: 'a' })
  const two = fakeFile('files/x', 'same', { alias: 'b', executable: true })
  const server = await fakeServer(t, [one, two])
  const { run, into } = fetching(t, server.url)

  const summary = await run()

  t.equal(summary.fileCount, 1)
  t.equal(server.entryRequests.length, 1)
  t.equal(await modeOf(join(into, 'files/x')), '755')
})

t.test('a server below a path is asked below that path', async t => {
  const server = await fakeServer(t, [app])
  const { run } = fetching(t, new URL('/stage/', server.url))

  await run()

  t.ok(server.manifestRequests[0]?.url?.startsWith('/stage/api/v1/'))
  t.ok(server.entryRequests[0]?.url?.startsWith('/stage/api/v1/'))
})

t.test('more files than may be fetched at once are all fetched', async t => {
  const files = Array.from({ length: 20 }, (_, index) => fakeFile(`files/${index}`, `file ${index}`))
  let active = 0
  let most = 0
  const server = await fakeServer(t, files, {
    onEntry: ({ response, answer }) => {
      active += 1
      most = Math.max(most, active)
      response.once('close', () => {
        active -= 1
      })
      setImmediate(answer)
    }
  })
  const { run } = fetching(t, server.url, { parallelCount: 3 })

  const summary = await run()

  t.equal(summary.fetchedFileCount, 20)
  t.ok(most <= 3, `at most 3 at once, found ${most}`)
})

t.test('run again, it fetches nothing and changes nothing', async t => {
  const server = await fakeServer(t, [app, script])
  const first = fetching(t, server.url)
  await first.run()
  const before = await lstat(join(first.into, marker))

  const summary = await first.run()

  t.match(summary, { fetchedBytes: 0, fetchedFileCount: 0, keptFileCount: 2 })
  t.equal(server.entryRequests.length, 2)
  t.equal((await lstat(join(first.into, marker))).ino, before.ino)
})

t.test('run again, it replaces a damaged file, brings a missing one and mends a mode', async t => {
  const other = fakeFile('jars/a.jar', 'jar')
  const server = await fakeServer(t, [app, script, other])
  const { run, into } = fetching(t, server.url)
  await run()
  await writeFile(join(into, 'app/job.py'), 'print("hellO")\n')
  await rename(join(into, 'jars/a.jar'), join(into, 'jars/b.jar'))
  await chmod(join(into, 'files/run.sh'), 0o600)
  await chmod(join(into, 'app'), 0o700)

  const summary = await run()

  t.match(summary, { fetchedFileCount: 2, keptFileCount: 1 })
  t.equal(await readFile(join(into, 'app/job.py'), 'utf8'), 'print("hello")\n')
  t.equal(await readFile(join(into, 'jars/a.jar'), 'utf8'), 'jar')
  t.equal(await modeOf(join(into, 'files/run.sh')), '755')
  t.equal(await modeOf(join(into, 'app')), '755')
})

t.test('a run that died between two renames is continued without fetching again', async t => {
  const server = await fakeServer(t, [app, script])
  const { run, into } = fetching(t, server.url)
  await run()
  // As it was just before the second rename.
  const partial = join(into, `.partial-${bundleId}`)
  await mkdir(partial)
  await rename(join(into, 'files/run.sh'), join(partial, '1.part'))
  await rename(join(into, marker), join(into, `${marker}.new`))

  const summary = await run()

  t.match(summary, { fetchedBytes: 0, fetchedFileCount: 1, keptFileCount: 1 })
  t.same(await tree(into), [marker, 'app', 'app/job.py', 'files', 'files/run.sh'])
})

t.test('a staging directory of another bundle is not touched', async t => {
  const foreign = JSON.stringify({ bundle: `other/${bundleId}` })
  for (const [text, found] of [
    [foreign, /a marker of "other\//],
    ['{"no": "bundle"}', /"no bundle"/],
    ['null', /"no bundle"/],
    ['not JSON', /"no bundle"/]
  ] as const) {
    const server = await fakeServer(t, [app])
    const { run, into } = fetching(t, server.url)
    await writeFile(join(into, marker), text)

    await t.rejects(run(), { message: found, failure: { exit: 'usage' } })

    t.same(await tree(into), [marker])
    t.equal(server.manifestRequests.length, 0)
  }
})

t.test('a marker that is no file is a usage error', async t => {
  const server = await fakeServer(t, [app])
  const { run, into } = fetching(t, server.url)
  await mkdir(join(into, marker))

  await t.rejects(run(), { message: /EISDIR/, failure: { exit: 'usage' } })
})

t.test('a staging directory that is taken away meanwhile is a usage error', async t => {
  const server = await fakeServer(t, [app], {
    onManifest: async (_request, response) => {
      await rename(into, `${into}.away`)
      await writeFile(into, 'a file')
      response.end(JSON.stringify({ bundleId, namespace, entries: [app.entry] }))
    }
  })
  const { run, into } = fetching(t, server.url)

  await t.rejects(run(), { message: /ENOTDIR/, failure: { exit: 'usage' } })
})

t.test('symbolic links in the staging directory lead nowhere', async t => {
  const server = await fakeServer(t, [app])
  const { run, into } = fetching(t, server.url)
  const outside = join(dirname(into), 'outside')
  await mkdir(outside)
  await writeFile(join(outside, 'job.py'), 'print("hello")\n')

  t.test('a link in place of a file is replaced by the file', async t => {
    await mkdir(join(into, 'app'))
    await symlink(join(outside, 'job.py'), join(into, 'app/job.py'))

    const summary = await run()

    t.equal(summary.fetchedFileCount, 1)
    t.ok((await lstat(join(into, 'app/job.py'))).isFile())
  })

  t.test('a link in place of a folder is refused', async t => {
    await rename(join(into, 'app'), join(into, 'away'))
    await symlink(outside, join(into, 'app'))

    await t.rejects(run(), { message: /app: expected a folder/, failure: { exit: 'usage' } })

    t.same(await readdir(outside), ['job.py'])
  })

  t.test('a link in place of a part is refused', async t => {
    await rename(join(into, 'app'), join(into, 'link'))
    await rename(join(into, `.partial-${bundleId}`, '0.part'), join(into, 'old.part'))
    await symlink(join(outside, 'job.py'), join(into, `.partial-${bundleId}`, '0.part'))

    await t.rejects(run(), { message: /ELOOP/, failure: { exit: 'usage' } })

    t.equal(await readFile(join(outside, 'job.py'), 'utf8'), 'print("hello")\n')
  })
})
