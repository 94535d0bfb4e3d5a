import { join } from 'node:path'
import t from 'tap'
import { GiB, KiB, MiB } from '../../shared/units.ts'
import { fetchInto, put, startStage } from './helpers/programs.ts'
import { notePeak, realFiles } from './helpers/real-files.ts'
import { startProxy } from './helpers/tcp-proxy.ts'
import { testFolder } from './helpers/test-folder.ts'

t.test('147 real jars and one file of 1 GiB go up and come down unchanged, in little memory', async t => {
  const home = testFolder(t)
  const { jars, flags: files, digests, digestsIn } = await realFiles(home)
  const stage = await startStage(t, { home })
  const { credentialFile } = stage

  const staged = await put(t, { ...stage, files, tokenFile: join(home, 'token') })
  const into = join(home, 'into')
  const fetched = await fetchInto(t, { url: stage.url, staged, into })

  t.equal(jars.length, 147)
  t.ok(staged.uploadedBytes > 100 * MiB + 1 * GiB)
  t.same(await digestsIn(into), digests)
  t.ok((await notePeak(t, 'server', stage.peakBytes())) <= 200 * MiB)
  t.ok((await notePeak(t, 'init container', fetched.peakBytes)) <= 150 * MiB)
  await notePeak(t, 'put', staged.ending.peakBytes)

  await t.test('and the same again costs the client less than 64 KiB', async t => {
    const proxy = await startProxy(t, stage.url)

    const again = await put(t, { url: proxy.url, credentialFile, files, tokenFile: join(home, 'token-2') })
    const intoToo = join(home, 'into-2')
    await fetchInto(t, { url: stage.url, staged: again, into: intoToo })

    t.comment(`${proxy.upBytes} bytes left the client`)
    t.ok(proxy.upBytes > 0 && proxy.upBytes < 64 * KiB)
    t.equal(again.uploadedBytes, 0)
    t.not(again.bundle, staged.bundle)
    t.same(await digestsIn(intoToo), digests)
  })
})
