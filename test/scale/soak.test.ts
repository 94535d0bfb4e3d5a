import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { KiB, MiB, secondMs } from '../../shared/units.ts'
import { freePort } from '../integration/helpers/free-port.ts'
import { KeptBundles } from '../integration/helpers/kept-bundles.ts'
import { MixedLoad } from '../integration/helpers/mixed-load.ts'
import { makeHome, prepareHome, repositoryPath } from '../integration/helpers/programs.ts'
import { Random } from '../integration/helpers/random.ts'
import { startProcess } from '../integration/helpers/start-process.ts'
import { testFolder } from '../integration/helpers/test-folder.ts'

/** How long the load lasts. */
const soakSeconds = Number(process.env['SPARK_STAGE_SOAK_SECONDS'] ?? 3600)

/** Short, so that as much ends as begins long before the first quarter is over. */
const leaseSeconds = 10
const maxAgeSeconds = 20

/** Together they begin about ten things a second: the sweeps keep up, so the store soon has one size and keeps it. */
const workersCount = 6
const restMs = 600

t.test(`${soakSeconds} s of mixed load: memory stays flat, and nothing fails`, async t => {
  const random = new Random()
  t.comment(`seed ${random.seed}`)
  const home = await makeHome(testFolder(t))
  const port = await freePort()
  const { env } = await prepareHome({ home, port, env: environment })
  const server = startProcess(t, process.execPath, [repositoryPath('server/main.ts')], { env })
  const url = `http://127.0.0.1:${port}`
  while (!(await isReady(url))) await setTimeout(50)
  const kept = new KeptBundles(maxAgeSeconds * secondMs)
  const times = { leaseMs: leaseSeconds * secondMs, draftLeaseMs: leaseSeconds * secondMs }
  const load = new MixedLoad({ url, times, random, kept, restMs })

  load.start(workersCount)
  const residentBytes: number[] = []
  const endMs = Date.now() + soakSeconds * secondMs
  while (Date.now() < endMs) {
    await setTimeout(secondMs)
    residentBytes.push(await readResident(server.child.pid))
    kept.forgetDue()
  }
  await load.stop()

  const quarters = [0, 1, 2, 3].map(quarter => meanOfQuarter(residentBytes, quarter))
  const shown = quarters.map(bytes => (bytes / MiB).toFixed(1)).join(', ')
  t.comment(`${load.answersCount} requests answered`)
  t.comment(`mean resident memory of each quarter: ${shown} MiB`)
  t.comment(`most memory: ${Math.round((await server.peakBytes()) / MiB)} MiB`)
  const [, second = 0, , last = 0] = quarters
  t.ok(load.answersCount > soakSeconds, 'there was a load')
  t.same(load.failures, [], `every answer was as expected (seed ${random.seed})`)
  t.same(await kept.findBroken(url), [])
  t.ok(last <= 1.05 * second, 'the last quarter takes no more than the second took')
  const { code, stdout, stderr } = await server.kill('SIGTERM')
  t.equal(stdout + stderr, '', 'the log has no error')
  t.equal(code, 0)
})

const environment = {
  SPARK_STAGE_V0: 'true',
  SPARK_STAGE_LEASE_SECONDS: `${leaseSeconds}`,
  SPARK_STAGE_DRAFT_LEASE_SECONDS: `${leaseSeconds}`,
  SPARK_STAGE_MAX_BUNDLE_AGE_SECONDS: `${maxAgeSeconds}`,
  SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '5',
  // A line for each request would fill this process, which keeps what its programs print.
  SPARK_STAGE_LOG_LEVEL: 'error'
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).ok
  } catch {
    return false
  }
}

/** What a process has in memory (VmRSS), in bytes. */
async function readResident(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * KiB
}

/** @param quarter 0 to 3 */
function meanOfQuarter(samples: readonly number[], quarter: number): number {
  const at = (part: number) => Math.floor((part * samples.length) / 4)
  const part = samples.slice(at(quarter), at(quarter + 1))
  return part.reduce((sum, sample) => sum + sample, 0) / part.length
}
