import { setTimeout } from 'node:timers/promises'
import pMap from 'p-map'
import type { Test } from 'tap'
import { bundlePath } from '../../../shared/paths.ts'
import { MiB, secondMs } from '../../../shared/units.ts'
import { upload } from '../../helpers/call.ts'
import { startMinio } from './minio.ts'
import { namespace, repositoryPath } from './programs.ts'
import { PutAndFetch } from './put-and-fetch.ts'
import { type Replicas, startReplicas } from './replicas.ts'
import { startProcess } from './start-process.ts'

const killEveryMs = 5 * secondMs

/** How many submissions go on at once. */
const placesCount = 3

/** How long the sweeps may take to remove all that is due. */
const lastSweepsMs = 90 * secondMs

/**
 * Kills one of three servers every five seconds, one after the other, while programs stage and fetch through nginx.
 * None of them may fail, nothing that was staged may be lost, and at the end, when all of it was revoked, nothing is left.
 */
export async function killReplicas(t: Test, loadMs: number): Promise<void> {
  const env = { SPARK_STAGE_DRAFT_LEASE_SECONDS: '20', SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '1' }
  const replicas = await startReplicas(t, await startMinio(t), { env })
  const load = new PutAndFetch(t, replicas)
  await load.start(placesCount)

  const killsCount = Math.floor(loadMs / killEveryMs)
  let restarting: Promise<unknown> = Promise.resolve()
  for (let kill = 0; kill < killsCount; kill += 1) {
    await Promise.all([setTimeout(killEveryMs), restarting])
    const index = kill % replicas.servers.length
    await replicas.kill(index)
    restarting = replicas.restart(index)
  }
  await restarting
  await load.stop()

  const { failures, kept } = load
  t.comment(`${killsCount} kills, ${kept.readable.size} submissions, none may fail`)
  t.same(failures, [], 'every put and every init container has succeeded')
  t.ok(kept.readable.size >= placesCount, 'there was something to lose')
  t.same(await kept.findBroken(replicas.url), [], 'everything that was staged is there')
  const peakBytes = await replicas.peakBytes()
  t.ok(peakBytes <= 250 * MiB, `no server needs more than 250 MiB: ${Math.round(peakBytes / MiB)}`)
  const revoke = (bundleId: string) => upload(replicas, 'DELETE', bundlePath(namespace, bundleId))
  const revoked = await pMap(kept.readable.keys(), revoke, { concurrency: 8 })
  t.same(new Set(revoked.map(({ status }) => status)), new Set([204]))
  await untilNothingIsLeft(t, replicas)
  await verify(t, replicas)
}

/** Waits for the sweeps to remove everything, as far as it is theirs by now. */
export async function untilNothingIsLeft(t: Test, replicas: Replicas): Promise<void> {
  const untilMs = Date.now() + lastSweepsMs
  let left = await leftIn(replicas)
  while (left.length > 0 && Date.now() < untilMs) {
    await setTimeout(secondMs)
    left = await leftIn(replicas)
  }
  t.same(left, [], 'after the last sweep nothing is left, and no upload is unfinished')
}

/**
 * What is in the bucket, but the ledger, the leases that say of bundles that they have ended, the markers of looks that
 * come later, and those whose lease never came to be: they are settled when their hour is over.
 */
async function leftIn(replicas: Replicas): Promise<readonly string[]> {
  const keys = await replicas.keys()
  const hour = new Date().toISOString().slice(0, 13)
  const isLater = (key: string) => {
    const [folder, markedHour = '', bundleId] = key.split('/')
    return folder === 'due' && (markedHour > hour || !keys.includes(`bundles/${bundleId}/lease.json`))
  }
  const left = keys.filter(key => key !== 'usage.json' && !isLater(key))
  const isEnded = async (key: string) =>
    key.endsWith('/lease.json') && (await replicas.read(key))?.includes('"state":"ended"') === true
  const isTrace = await pMap(left, isEnded, { concurrency: 8 })
  return left.filter((_key, index) => !isTrace[index])
}

/** Nothing may be wrong with the store that the servers have. */
async function verify(t: Test, { storeEnv }: Replicas): Promise<void> {
  const args = [repositoryPath('server/main.ts'), 'verify']
  const { code, stdout } = await startProcess(t, process.execPath, args, { env: storeEnv }).ended
  t.match(stdout, /^findings {3}damaged 0, orphan 0, unmarked 0$/m)
  t.match(stdout, /^ledger {5}counts what is there$/m)
  t.equal(code, 0)
}
