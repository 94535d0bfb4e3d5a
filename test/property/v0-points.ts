import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { findLosses, type Trace } from '../helpers/durability.ts'
import { mortalDisk } from '../helpers/mortal-disk.ts'
import { startServer, type TestServer } from '../helpers/start-server.ts'
import { assertMarked, assertWhole } from '../helpers/store-state.ts'
import { TestClock } from '../helpers/test-clock.ts'
import { type DiskStep, watchDisk } from '../helpers/watched-disk.ts'
import { downloadRequest, ownerPart, resourcesPart, send, uploadRequest } from '../server/v0/fork-client.ts'

const env = { SPARK_STAGE_V0: 'true', SPARK_STAGE_DRAIN_SECONDS: '0' }
const request = uploadRequest([resourcesPart(Buffer.from('content')), ownerPart()])

/** Everything that an upload through this door does to the disk, in order. */
async function traceUpload(t: Test): Promise<{ readonly server: TestServer; readonly steps: Trace }> {
  const all: DiskStep[] = []
  const disk = watchDisk({ after: step => void all.push(step) })
  // Markers are filed by the hour: how many steps there are must not depend on the time of day.
  const server = await startServer(t, { env, disk, clock: new TestClock() })
  const firstStep = all.length
  const { status, body } = await send(server.url, request)
  if (status !== 200) throw new Error(`answered ${status}`)
  server.keepSecret(JSON.parse(body.toString()).resourceSecret)
  return { server, steps: [...all.slice(firstStep), { op: 'answer', path: 'the answer' }] }
}

/** Lets a server die, and lets its disk be full, at every `stride`-th step of an upload through the fork's door. */
export function v0Points(t: Test, stride: number): void {
  t.test('what was answered is on disk', async t => {
    const { server, steps } = await traceUpload(t)
    const isAside = (path: string) => path.startsWith(join(server.folder, 'tmp'))

    t.same(findLosses(steps, isAside), [])
  })

  t.test('whichever step a server dies at, what is left is whole or marked for removal', async t => {
    const { steps } = await traceUpload(t)
    t.ok(steps.length > 30, `${steps.length} steps`)
    for (let last = 0; last < steps.length - 1; last += stride) {
      await t.test(`before step ${last}, ${steps[last]?.op}`, async t => {
        const { disk, died, arm } = mortalDisk(t, last)
        const clock = new TestClock()
        const doomed = await startServer(t, { env, disk, clock })
        arm()
        const cut = send(doomed.url, request).catch(() => ({ status: 0 }))

        await died
        await doomed.close()
        t.equal((await cut).status, 0)
        const next = await startServer(t, {
          env,
          clock,
          folder: doomed.folder,
          keysDirectory: doomed.keysDirectory
        })

        await assertWhole(t, next.folder)
        await assertMarked(t, next.folder)
        t.same(await readdir(join(next.folder, 'tmp')), [])
        await stages(t, next)
      })
    }
  })

  t.test(
    'at whichever step the disk is full, the upload fails as a whole and the next one works',
    async t => {
      const { steps } = await traceUpload(t)
      const takingCount = steps.filter(({ op }) => takesSpace(op)).length
      for (let fullAt = 0; fullAt < takingCount; fullAt += stride) {
        await t.test(`full at step ${fullAt}`, async t => {
          const { disk, arm } = fillingDisk(fullAt)
          const server = await startServer(t, { env, disk, clock: new TestClock() })
          arm()

          const { status, body } = await send(server.url, request)

          // Losing a hint fails nothing. Where only the very last sync of the commit failed, the bundle is there.
          t.ok(status === 507 || status === 200, `answered ${status}`)
          if (status === 200) server.keepSecret(JSON.parse(body.toString()).resourceSecret)
          const files = await server.files()
          t.ok(
            status === 200 || files.length === 0 || files.some(path => path.startsWith('index/')),
            `${files}`
          )
          await assertWhole(t, server.folder)
          await assertMarked(t, server.folder)
          await stages(t, server)
        })
      }
    }
  )
}

/** Asserts that a server takes an upload and gives it back. */
async function stages(t: Test, server: TestServer): Promise<void> {
  const { resourceId, resourceSecret } = JSON.parse((await send(server.url, request)).body.toString())
  server.keepSecret(resourceSecret)
  const { body } = await send(server.url, downloadRequest(resourceId, resourceSecret))
  t.equal(body.toString(), 'content')
}

/** A disk that is full for the one step number `fullAt` after it was armed. */
function fillingDisk(fullAt: number) {
  let leftCount = Number.POSITIVE_INFINITY
  const disk = watchDisk({
    before({ op }) {
      if (!takesSpace(op)) return
      leftCount -= 1
      if (leftCount === -1)
        throw Object.assign(new Error(`ENOSPC: no space left on device, ${op}`), {
          code: 'ENOSPC',
          syscall: op
        })
    }
  })
  const arm = () => {
    leftCount = fullAt
  }
  return { disk, arm }
}

function takesSpace(op: string): boolean {
  return ['new', 'write', 'sync', 'mkdir', 'link', 'rename'].includes(op)
}
