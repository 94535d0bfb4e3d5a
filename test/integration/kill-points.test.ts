import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startServer } from '../helpers/start-server.ts'
import { assertMarked, assertWhole } from '../helpers/store-state.ts'
import { type Answered, assertKept, submit } from '../helpers/submission.ts'
import { watchDisk } from '../helpers/watched-disk.ts'
import { makeHome, prepareHome, repositoryPath, startStage } from './helpers/programs.ts'
import { startProcess } from './helpers/start-process.ts'

/** Only every so many steps a process is killed; a process that merely stops there is tried at every one. */
const stride = 10

const nothing = (): Answered => ({ readable: new Map(), revoked: new Map() })

t.test('a server killed between any two steps loses nothing that was answered', async t => {
  let steps = 0
  const count = () => {
    steps += 1
  }
  const whole = await startServer(t, { disk: watchDisk({ before: () => count() }) })
  await submit(whole, nothing())
  t.ok(steps / stride >= 12, `${steps} steps`)

  for (let at = stride; at < steps; at += stride) {
    await t.test(`killed before step ${at}`, async t => {
      const home = await makeHome(t.testdir())
      const { env } = await prepareHome({ home })
      const script = repositoryPath('test/integration/helpers/doomed-server.ts')
      const doomed = startProcess(t, process.execPath, [script, `${at}`], { env })
      const { url } = JSON.parse(await doomed.line('server listening'))
      const answered = nothing()

      await submit({ url }, answered).catch(() => {})
      const { signal } = await doomed.ended.then(() => ({ signal: doomed.child.signalCode }))
      const next = await startStage(t, { home })

      t.equal(signal, 'SIGKILL')
      await assertKept(t, next, answered)
      await assertWhole(t, next.store)
      await assertMarked(t, next.store)
      t.same(await readdir(join(next.store, 'tmp')), [])
    })
  }
})
