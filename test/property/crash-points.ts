import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { mortalDisk } from '../helpers/mortal-disk.ts'
import { startServer } from '../helpers/start-server.ts'
import { assertMarked, assertWhole } from '../helpers/store-state.ts'
import { type Answered, assertKept, submit } from '../helpers/submission.ts'
import { TestClock } from '../helpers/test-clock.ts'
import { type DiskStep, watchDisk } from '../helpers/watched-disk.ts'

const nothing = (): Answered => ({ readable: new Map(), revoked: new Map() })

/**
 * Lets a server die at every `stride`-th step of everything that changes a store, and the next one go on.
 */
export function crashPoints(t: Test, stride: number): void {
  t.test('whichever step a server dies at, the next one keeps what was answered and can go on', async t => {
    const steps: DiskStep[] = []
    const disk = watchDisk({ before: step => void steps.push(step) })
    // Markers are filed by the hour: how many steps there are must not depend on the time of day.
    const server = await startServer(t, { disk, clock: new TestClock() })
    steps.length = 0
    await submit(server, nothing())
    t.ok(steps.length > 100, `${steps.length} steps`)
    const keys = server.keysDirectory

    for (let last = 0; last < steps.length; last += stride) {
      await t.test(`before step ${last}, ${steps[last]?.op}`, async t => {
        const { disk, died, arm } = mortalDisk(t, last)
        const clock = new TestClock()
        const env = { SPARK_STAGE_DRAIN_SECONDS: '0' }
        const doomed = await startServer(t, { disk, clock, env, keysDirectory: keys })
        arm()
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
