import { join } from 'node:path'
import t from 'tap'
import { sha256sums, writeRandomFile } from './helpers/files.ts'
import { fetchInto, put, startStage } from './helpers/programs.ts'
import { fileBytes, laidOutFile, stageFile } from './helpers/staged-file.ts'
import { startProxy } from './helpers/tcp-proxy.ts'
import { testFolder } from './helpers/test-folder.ts'

t.test('a fetch finishes although the server is killed in the middle and started again', async t => {
  const { stage, staged, digests, home } = await stageFile(t)
  let killCount = 0
  const proxy = await startProxy(t, stage.url, {
    onDown: async ({ movedBytes }) => {
      if (killCount > 0 || movedBytes < fileBytes / 2) return
      killCount += 1
      await stage.kill('SIGKILL')
      await startStage(t, { home, port: stage.port })
    }
  })
  const into = join(home, 'into')

  await fetchInto(t, { url: proxy.url, staged, into })

  t.equal(killCount, 1)
  t.ok(proxy.downBytes <= 1.2 * fileBytes)
  t.same(await sha256sums([laidOutFile(into)]), digests)
})

t.test('an upload finishes although the server is killed in the middle and started again', async t => {
  const home = testFolder(t)
  const path = await writeRandomFile(join(home, 'data.bin'), fileBytes)
  const stage = await startStage(t, { home })
  let killCount = 0
  const proxy = await startProxy(t, stage.url, {
    onUp: async ({ movedBytes }) => {
      if (killCount > 0 || movedBytes < fileBytes / 2) return
      killCount += 1
      await stage.kill('SIGKILL')
      await startStage(t, { home, port: stage.port })
    }
  })
  const { credentialFile } = stage
  const into = join(home, 'into')

  const files = ['--file', path]
  const staged = await put(t, { url: proxy.url, credentialFile, files, tokenFile: join(home, 'token') })
  await fetchInto(t, { url: stage.url, staged, into })

  t.equal(killCount, 1)
  t.same(await sha256sums([laidOutFile(into)]), await sha256sums([path]))
})
