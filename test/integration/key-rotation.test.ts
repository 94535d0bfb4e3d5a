import t from 'tap'
import { bundlePath } from '../../shared/paths.ts'
import { ask, download, rotateUnderLoad, sign, stageFile } from './helpers/key-rotation.ts'
import { namespace, startStage } from './helpers/programs.ts'
import { testFolder } from './helpers/test-folder.ts'

// The first server looks every ten seconds: it has seen the key before the second one has it.
t.test('a new key that reaches two servers at different times, under load, causes no refusal', t =>
  rotateUnderLoad(t, { apartSeconds: 13, activationSeconds: 16 })
)

t.test('a revocation works at once, on downloads that are asked for while it goes on too', async t => {
  const home = testFolder(t)
  const stage = await startStage(t, { home })
  const bundleId = await stageFile(stage)
  const token = await sign(stage, bundleId)
  let isRevoked = false
  const before: string[] = []
  const after: string[] = []
  const load = async () => {
    for (;;) {
      const wasRevoked = isRevoked
      const answer = await download(stage, bundleId, token)
      const answers = wasRevoked ? after : before
      answers.push(answer)
      if (after.length >= 50) return
    }
  }
  const revoke = async () => {
    while (before.length < 50) await new Promise(resolve => setTimeout(resolve, 10))
    const { status } = await ask(stage, 'DELETE', bundlePath(namespace, bundleId))
    isRevoked = true
    return status
  }

  const [status] = await Promise.all([revoke(), ...Array.from({ length: 8 }, load)])

  t.equal(status, 204)
  t.same(new Set(after), new Set(['410 STAGE_ERR_GONE']))
  t.ok(before.filter(answer => answer === 'right').length >= 50)
  t.same(
    before.filter(answer => answer !== 'right' && answer !== '410 STAGE_ERR_GONE'),
    []
  )
})
