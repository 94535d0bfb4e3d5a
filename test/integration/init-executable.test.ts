import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { buildExecutable } from '../../build/build-executable.ts'
import { MiB } from '../../shared/units.ts'
import { fetchInto, put, startStage } from './helpers/programs.ts'
import { notePeak, realFiles } from './helpers/real-files.ts'
import { testFolder } from './helpers/test-folder.ts'

t.test('without Node on the machine, the executable lays out 147 real jars and a file of 1 GiB', async t => {
  const home = testFolder(t)
  const program = join(home, 'dist', 'spark-stage-init')
  await buildExecutable(join(home, 'dist'))
  const PATH = join(home, 'nothing')
  await mkdir(PATH)
  const { jars, flags: files, digests, digestsIn } = await realFiles(home)
  const stage = await startStage(t, { home })
  const staged = await put(t, { ...stage, files, tokenFile: join(home, 'token') })
  const into = join(home, 'into')

  const fetched = await fetchInto(t, { url: stage.url, staged, into, command: [program], env: { PATH } })

  t.equal(jars.length, 147)
  t.same(await digestsIn(into), digests)
  // Node warns here when it is experimental, or does not take V8's cache of the program.
  t.equal(fetched.stderr, '')
  t.ok((await notePeak(t, 'the executable', fetched.peakBytes)) <= 150 * MiB)
  await t.rejects(promisify(execFile)('node', ['--version'], { env: { PATH } }), { code: 'ENOENT' })
})
