import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startServer } from '../helpers/start-server.ts'
import { assertMarked, assertWhole } from '../helpers/store-state.ts'
import { type Answered, assertKept, submit } from '../helpers/submission.ts'
import { TestClock } from '../helpers/test-clock.ts'
import { type DiskStep, watchDisk } from '../helpers/watched-disk.ts'

const nothing = (): Answered => ({ readable: new Map(), revoked: new Map() })

/** A disk that stops for ever before step number `last + 1`: what `kill -9` leaves of a process, without the process. */
function mortalDisk(last: number) {
  const steps: DiskStep[] = []
  const { promise: died, resolve: die } = Promise.withResolvers<void>()
  const disk = watchDisk({
    before(step) {
      if (steps.length < last) {
        steps.push(step)
        return undefined
      }
      die()
      return new Promise<void>(() => {})
    }
  })
  return { disk, steps, died }
}

/**
 * Lets a server die at every `stride`-th step of everything that changes a store, and the next one go on.
 */
export function crashPoints(t: Test, stride: number): void {
  t.test('whichever step a server dies at, the next one keeps what was answered and can go on', async t => {
    const whole = mortalDisk(Number.POSITIVE_INFINITY)
    // Markers are filed by the hour: how many steps there are must not depend on the time of day.
    const server = await startServer(t, { disk: whole.disk, clock: new TestClock() })
    const firstStep = whole.steps.length
    await submit(server, nothing())
    t.ok(whole.steps.length - firstStep > 100, `${whole.steps.length - firstStep} steps`)
    const keys = server.keysDirectory

    for (let last = firstStep; last < whole.steps.length; last += stride) {
      await t.test(`before step ${last}, ${whole.steps[last]?.op}`, async t => {
        const { disk, died } = mortalDisk(last)
        const clock = new TestClock()
        const env = { SPARK_STAGE_DRAIN_SECONDS: '0' }
        const doomed = await startServer(t, { disk, clock, env, keysDirectory: keys })
        const answered = nothing()
        const cut = submit(doomed, answered).catch(() => {})

        await died
        await doomed.close()
        await cut
        // A writer that died is believed to be alive for half a minute.
        clock.advance(60_000)
        const next = await startServer(t, { clock, folder: doomed.folder, keysDirectory: keys })

        await assertKept(t, next, answered)
        await assertWhole(t, next.folder)
        await assertMarked(t, next.folder)
        t.same(await readdir(join(next.folder, 'tmp')), [])
        const again = await submit(next, answered)
        t.ok(
          again.at(-1)?.status === 204 || again.at(-1)?.status === 410,
          `ends with ${again.at(-1)?.status}`
        )
        await assertKept(t, next, answered)
      })
    }
  })
}
