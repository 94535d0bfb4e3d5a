import { readdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startServer } from '../helpers/start-server.ts'
import { type Answered, assertKept, submit } from '../helpers/submission.ts'
import { TestClock } from '../helpers/test-clock.ts'
import { type DiskStep, watchDisk } from '../helpers/watched-disk.ts'

/** The steps that a full disk refuses. */
const takesSpace = (step: DiskStep) => ['new', 'write', 'sync', 'mkdir', 'link', 'rename'].includes(step.op)

const nothing = (): Answered => ({ readable: new Map(), revoked: new Map() })

/** All files of a store with bundles in it, at one moment. */
function listNow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.name.startsWith('lock.'))
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length))
    .sort()
}

/** Whether a path is that of bytes of a bundle whose lease was there before. */
function isBlobOf(path: string, before: readonly string[]): boolean {
  return /\/data\/\d+$/.test(path) && before.includes(path.replace(/data\/\d+$/, 'lease.json'))
}

/** A disk that is full for the one step number `fullAt`. */
function fillingDisk(fullAt: number) {
  const steps: DiskStep[] = []
  const disk = watchDisk({
    before(step) {
      if (!takesSpace(step)) return
      steps.push(step)
      if (steps.length === fullAt + 1) {
        throw Object.assign(new Error(`ENOSPC: no space left on device, ${step.op}`), {
          code: 'ENOSPC',
          syscall: step.op
        })
      }
    }
  })
  return { disk, steps }
}

/**
 * Lets the disk be full for every `stride`-th step of everything that changes a store.
 */
export function fullDiskPoints(t: Test, stride: number): void {
  t.test(
    'at whichever step the disk is full, the request fails as a whole and the server goes on',
    async t => {
      // The same times, so that the same requests leave the same names.
      const startMs = Date.now()
      const whole = fillingDisk(Number.POSITIVE_INFINITY)
      const server = await startServer(t, { disk: whole.disk, clock: new TestClock(startMs) })
      const firstStep = whole.steps.length
      const filesAfter = [listNow(server.folder)]
      const answers = await submit(server, nothing(), () => filesAfter.push(listNow(server.folder)))
      t.ok(whole.steps.length - firstStep > 80, `${whole.steps.length - firstStep} steps`)

      for (let fullAt = firstStep; fullAt < whole.steps.length; fullAt += stride) {
        await t.test(`full at step ${fullAt}, ${whole.steps[fullAt]?.op}`, async t => {
          const { disk } = fillingDisk(fullAt)
          const filling = await startServer(t, { disk, clock: new TestClock(startMs) })
          const answered = nothing()
          const step = whole.steps[fullAt]

          const found = await submit(filling, answered)

          const failed = found.at(-1)
          const isRevocation = found.length === answers.length
          if (failed !== undefined && failed.status >= 300) {
            t.match(failed, { status: 507, error: { code: 'STAGE_ERR_NO_SPACE' } })
            t.notMatch(failed.bytes.toString(), filling.folder)
            const before = filesAfter[found.length - 1] ?? []
            const left = listNow(filling.folder).filter(path => !before.includes(path))
            // A blob whose very last sync failed may stay in its draft: its bytes are right.
            // Where only the sync after the commit failed, the bundle is there: as if the answer had been lost.
            const isCommitted = step?.op === 'sync' && left.some(path => path.endsWith('/manifest.json'))
            if (!isRevocation && !isCommitted)
              t.ok(
                left.every(path => isBlobOf(path, before)),
                `nothing left but ${left}`
              )
          } else {
            const lacking = filesAfter.at(-1)?.filter(path => !listNow(filling.folder).includes(path)) ?? []
            t.ok(
              lacking.every(path => path.startsWith('/hints/')),
              `only a hint may fail unseen: ${lacking}`
            )
          }
          t.same(await readdir(join(filling.folder, 'tmp')), [])
          await assertKept(t, filling, answered)
          // Once its end is on disk, the revoked bundle's key answers 410.
          t.ok([204, 410].includes((await submit(filling, answered)).at(-1)?.status ?? 0))
          await assertKept(t, filling, answered)
        })
      }
    }
  )
}
