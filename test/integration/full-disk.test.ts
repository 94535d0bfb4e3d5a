import { execFile } from 'node:child_process'
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { bundlesPath } from '../../shared/paths.ts'
import { MiB } from '../../shared/units.ts'
import { storeFiles } from '../helpers/start-server.ts'
import { writeRandomFile } from './helpers/files.ts'
import { namespace, put, startPut, startStage } from './helpers/programs.ts'
import { startProcess } from './helpers/start-process.ts'
import { testFolder } from './helpers/test-folder.ts'

const run = promisify(execFile)

t.test('100 MB into a store of 64 MiB', async t => {
  const home = testFolder(t)
  const store = join(home, 'store')
  const folderOfFiles = join(home, 'files')
  await mkdir(store)
  await mkdir(folderOfFiles)
  // Needs root. Registered first, so that it is undone last, after the server is gone.
  await run('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', store])
  t.teardown(() => run('umount', [store]))
  const big = await writeRandomFile(join(folderOfFiles, 'big.bin'), 100_000_000)
  const small = await writeRandomFile(join(folderOfFiles, 'small.bin'), 1 * MiB)
  const stage = await startStage(t, { home })
  const { credentialFile } = stage

  await t.test('put says that there is no space, by exit code 13, and leaves no bytes', async t => {
    const files = ['--file', big]

    const { code, stderr } = await startPut(t, { ...stage, files, tokenFile: join(home, 'none') }).ended

    t.equal(code, 13, stderr)
    t.match(stderr, /STAGE_ERR_NO_SPACE/)
    t.match(
      stderr,
      /expected: at most \d+ bytes: \d+ of 67108864 are used or reserved\n +found: 100000000 bytes/
    )
    t.same((await storeFiles(store)).filter(isBytes), [])
    t.ok((await usedBytes(store)) < 1 * MiB)
    await takesSmallFile(t, 'token-1')
  })

  await t.test('curl gets a 507 for one request with everything, and the store is what it was', async t => {
    const before = await storeFiles(store)

    const answer = await curlOneShot(t)

    t.equal(answer.status, '507')
    const { code, limitBytes, usedBytes, askedBytes, largest } = JSON.parse(answer.body)
    t.equal(code, 'STAGE_ERR_NO_SPACE')
    t.equal(limitBytes, 64 * MiB)
    t.ok(usedBytes < 2 * MiB)
    t.ok(askedBytes >= 100_000_000)
    t.same(largest, [{ path: 'files/big.bin' }])
    t.same(await storeFiles(store), before)
    await takesSmallFile(t, 'token-2')
  })

  async function takesSmallFile(t: Test, name: string): Promise<void> {
    const files = ['--file', small]
    const staged = await put(t, { url: stage.url, credentialFile, files, tokenFile: join(home, name) })
    t.match(staged.bundle, /^team-a\//)
  }

  async function curlOneShot(t: Test): Promise<{ readonly status: string; readonly body: string }> {
    // The credential comes from a file, as it should: a command line is readable by everyone.
    const header = join(home, 'header')
    await writeFile(header, `Authorization: Bearer ${(await readFile(credentialFile, 'utf8')).trim()}`)
    const form = ['--header', `@${header}`, '--form', `files=@${big}`]
    const url = stage.url + bundlesPath(namespace)
    const curl = startProcess(t, 'curl', ['--silent', '--write-out', '\\n%{http_code}', ...form, url])
    const { stdout } = await curl.ended
    const [body = '', status = ''] = stdout.split('\n')
    return { status, body }
  }
})

function isBytes(path: string): boolean {
  return path.includes('/data/') || path.startsWith('tmp/')
}

async function usedBytes(folder: string): Promise<number> {
  const { bsize, blocks, bfree } = await statfs(folder)
  return bsize * (blocks - bfree)
}
