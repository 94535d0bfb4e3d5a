import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { GiB, KiB, MiB } from '../../shared/units.ts'
import { sha256sums, writeRandomFile } from './helpers/files.ts'
import { mavenJars } from './helpers/maven-jars.ts'
import { fetchInto, put, type Staged, startStage } from './helpers/programs.ts'
import { startProxy } from './helpers/tcp-proxy.ts'
import { testFolder } from './helpers/test-folder.ts'

t.test('147 real jars and one file of 1 GiB go up and come down unchanged, in little memory', async t => {
  const home = testFolder(t)
  const jars = await mavenJars()
  const model = await writeRandomFile(join(home, 'model.bin'), 1 * GiB)
  const expected = await sha256sums([...jars, model])
  const files = [...jars.flatMap(jar => ['--jar', jar]), '--file', model]
  const stage = await startStage(t, { home })
  const { credentialFile } = stage

  const staged = await put(t, { ...stage, files, tokenFile: join(home, 'token') })
  const into = join(home, 'into')
  const fetched = await fetchInto(t, { url: stage.url, staged, into })

  t.equal(jars.length, 147)
  t.ok(staged.uploadedBytes > 100 * MiB + 1 * GiB)
  t.same(await sha256sums(laidOut(into, jars, model)), expected)
  t.ok((await peak(t, 'server', stage.peakBytes())) <= 200 * MiB)
  t.ok((await peak(t, 'init container', fetched.peakBytes)) <= 150 * MiB)
  await peak(t, 'put', staged.ending.peakBytes)

  await t.test('and the same again costs the client less than 64 KiB', async t => {
    const proxy = await startProxy(t, stage.url)

    const again = await put(t, { url: proxy.url, credentialFile, files, tokenFile: join(home, 'token-2') })

    t.comment(`${proxy.upBytes} bytes left the client`)
    t.ok(proxy.upBytes > 0 && proxy.upBytes < 64 * KiB)
    t.equal(again.uploadedBytes, 0)
    t.not(again.bundle, staged.bundle)
    await comesDownUnchanged(t, again)
  })

  async function comesDownUnchanged(t: Test, again: Staged): Promise<void> {
    const intoToo = join(home, 'into-2')
    await fetchInto(t, { url: stage.url, staged: again, into: intoToo })
    t.same(await sha256sums(laidOut(intoToo, jars, model)), expected)
  }
})

function laidOut(into: string, jars: readonly string[], model: string): readonly string[] {
  return [...jars.map(jar => join(into, 'jars', basename(jar))), join(into, 'files', basename(model))]
}

async function peak(t: Test, name: string, bytes: number | Promise<number>): Promise<number> {
  t.comment(`most memory of ${name}: ${Math.round((await bytes) / MiB)} MiB`)
  return bytes
}
