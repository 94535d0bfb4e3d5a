import { readdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Answer } from '../helpers/call.ts'
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
    .filter(path => path !== '/usage.json')
    .sort()
}

/** Whether a path is that of bytes of a bundle whose lease was there before. */
function isBlobOf(path: string, before: readonly string[]): boolean {
  return /\/0\/data\/\d+$/.test(path) && before.includes(path.replace(/0\/data\/\d+$/, 'lease.json'))
}

function withoutHints(files: readonly string[]): readonly string[] {
  return files.filter(path => !path.startsWith('/hints/'))
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
      const whole = fillingDisk(Number.POSITIVE_INFINITY)
      // Markers are filed by the hour: how many steps there are must not depend on the time of day.
      const server = await startServer(t, { disk: whole.disk, clock: new TestClock() })
      const firstStep = whole.steps.length
      const answers = await submit(server, nothing(), { keyed: false })
      const filesCount = withoutHints(listNow(server.folder)).length
      t.ok(whole.steps.length - firstStep > 80, `${whole.steps.length - firstStep} steps`)

      for (let fullAt = firstStep; fullAt < whole.steps.length; fullAt += stride) {
        const step = whole.steps[fullAt]
        await t.test(`full at step ${fullAt}, ${step?.op}`, async t => {
          const filling = await startServer(t, { disk: fillingDisk(fullAt).disk, clock: new TestClock() })
          const answered = nothing()
          let before = listNow(filling.folder)
          const onAnswer = ({ status }: Answer) => {
            if (status < 300) before = listNow(filling.folder)
          }

          const found = await submit(filling, answered, { keyed: false, onAnswer })

          const failed = found.at(-1)
          const isRevocation = found.length === answers.length
          if (failed !== undefined && failed.status >= 300) {
            t.match(failed, { status: 507, error: { code: 'STAGE_ERR_NO_SPACE' } })
            t.notMatch(failed.bytes.toString(), filling.folder)
            const left = listNow(filling.folder).filter(path => !before.includes(path))
            // Where only the sync after the commit failed, the bundle is there: as if the answer had been lost.
            const isCommitted = step?.op === 'sync' && left.some(path => path.endsWith('/manifest.json'))
            // A blob whose very last sync failed may stay in its draft: its bytes are right.
            const isNothing = left.every(path => isBlobOf(path, before))
            t.ok(isRevocation || isCommitted || isNothing, `nothing left but ${left}`)
          } else {
            t.equal(withoutHints(listNow(filling.folder)).length, filesCount, 'only a hint may fail unseen')
          }
          t.same(await readdir(join(filling.folder, 'tmp')), [])
          await assertKept(t, filling, answered)
          t.equal((await submit(filling, answered, { keyed: false })).at(-1)?.status, 204)
          await assertKept(t, filling, answered)
        })
      }
    }
  )
}
