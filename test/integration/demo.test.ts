import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { repositoryPath } from './helpers/programs.ts'
import { startProcess } from './helpers/start-process.ts'
import { testFolder } from './helpers/test-folder.ts'

t.test('the demo works in under 10 s and leaves nothing behind', async t => {
  const TMPDIR = join(testFolder(t), 'tmp')
  await mkdir(TMPDIR)
  // What npm keeps for its own next start is not the demo's.
  const env = { TMPDIR, NODE_DISABLE_COMPILE_CACHE: '1' }
  const startedMs = performance.now()
  const demo = startProcess(t, 'npm', ['run', 'demo'], { cwd: repositoryPath('.'), env })

  // It ends only when no process holds its output any more: neither server nor init container live on.
  const { code, stdout, stderr } = await demo.ended

  const tookMs = performance.now() - startedMs
  t.comment(`took ${Math.round(tookMs)} ms`)
  t.equal(code, 0, stdout + stderr)
  t.ok(tookMs < 10_000)
  t.same(await readdir(TMPDIR), [])
})
