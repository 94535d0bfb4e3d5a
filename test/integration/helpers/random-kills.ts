import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Finding } from '../../../server/staging/verification/findings.ts'
import { verifyStore } from '../../../server/staging/verification/verify-store.ts'
import { LocalDriver } from '../../../server/storage/local-driver.ts'
import { secondMs } from '../../../shared/units.ts'
import { storeFiles } from '../../helpers/start-server.ts'
import { KeptBundles } from './kept-bundles.ts'
import { MixedLoad } from './mixed-load.ts'
import { makeHome, repositoryPath, startRefusedStage, startStage } from './programs.ts'
import { Random } from './random.ts'
import { startProcess } from './start-process.ts'

/** Bundles end while the test runs; some of them before the next kill. */
const longLeaseSeconds = 8
const shortLeaseSeconds = 2
const draftLeaseSeconds = 4
/** Then nothing at all is left of a bundle. */
const maxAgeSeconds = 14

const workersCount = 8

/** How long a server lives, from when it listens: at most so many milliseconds. */
const maxLifeMs = 1200

/** How long the sweeps may take to remove the last of everything, once the last token has ended. */
const lastSweepsMs = 60 * secondMs

/**
 * Kills a server under a mixed load again and again, at random, and starts it again at once. Nothing that was answered
 * may be lost, no store that a kill leaves may be damaged, and at the end, when all leases are over, nothing is left.
 *
 * @param folder a new one
 */
export async function killAtRandom(t: Test, folder: string, killsCount: number): Promise<void> {
  const random = new Random()
  t.comment(`seed ${random.seed}`)
  const home = await makeHome(folder)
  const kept = new KeptBundles(maxAgeSeconds * secondMs)
  let answersCount = 0
  let checkedCount = 0

  for (let kill = 1; kill <= killsCount; kill += 1) {
    const leaseSeconds = random.below(3) === 0 ? shortLeaseSeconds : longLeaseSeconds
    const options = { home, env: environment(leaseSeconds) }
    const stage = await startStage(t, options)
    t.same(await kept.findBroken(stage.url), [], `after ${kill - 1} kills, what was answered is there`)
    checkedCount += kept.readable.size
    const times = { leaseMs: leaseSeconds * secondMs, draftLeaseMs: draftLeaseSeconds * secondMs }
    const load = new MixedLoad({ url: stage.url, times, random, kept })
    load.start(workersCount)
    if (kill === 1) await refuseSecond(t, options, stage.child.pid)
    await setTimeout(random.below(maxLifeMs))
    load.expectBreak()
    await stage.kill('SIGKILL')
    await load.stop()
    answersCount += load.answersCount
    t.same(load.failures, [], `before kill ${kill}, every answer was as expected (seed ${random.seed})`)
    const { findings, ledger } = await verify(stage.store)
    t.same(findings, [], `after kill ${kill}, the store is whole (seed ${random.seed})`)
    t.same(
      ledger.seen.ledger?.held,
      ledger.found?.held,
      `after kill ${kill}, the ledger is right (seed ${random.seed})`
    )
  }
  t.comment(`${killsCount} kills, ${answersCount} requests answered, ${checkedCount} bundles checked`)
  t.ok(checkedCount >= killsCount, 'there was something to lose')
  await endAll(t, home, kept)
}

/** The last server finds what was answered, removes all of it as its leases end, and leaves a store without a flaw. */
async function endAll(t: Test, home: string, kept: KeptBundles): Promise<void> {
  const last = await startStage(t, { home, env: environment(longLeaseSeconds) })
  t.same(await kept.findBroken(last.url), [], 'after the last kill, what was answered is there')
  const startedMs = Date.now()
  // A revocation that met the sweep's last look may have filed one more look, of which nothing comes.
  // A marker whose lease never came to be is settled when its hour is over.
  const laterLooks = async () => {
    const files = await storeFiles(last.store)
    const hour = new Date().toISOString().slice(0, 13)
    const isLater = (path: string) =>
      path.slice(4, 17) > hour || !files.includes(`bundles/${path.slice(18)}/lease.json`)
    return files.filter(path => path.startsWith('due/') && isLater(path))
  }
  const remains = async () => {
    const later = await laterLooks()
    return (await storeFiles(last.store)).filter(path => !later.includes(path))
  }
  while ((await remains()).length > 0 && Date.now() - startedMs < maxAgeSeconds * secondMs + lastSweepsMs) {
    await setTimeout(250)
  }
  t.same(await remains(), [], 'after the last sweep nothing is left')
  t.equal((await last.kill('SIGTERM')).code, 0)

  const args = [repositoryPath('server/main.ts'), 'verify']
  const env = { SPARK_STAGE_STORE: `file://${last.store}` }
  const { code, stdout } = await startProcess(t, process.execPath, args, { env }).ended
  t.match(stdout, /^findings {3}damaged 0, orphan 0, unmarked 0$/m)
  t.match(stdout, /^ledger {5}counts what is there$/m)
  t.match(stdout, /^bundles {4}committed 0, draft 0, ended 0$/m)
  const pendingCount = new Set((await laterLooks()).map(path => path.slice('due/YYYY-MM-DDTHH/'.length))).size
  t.match(stdout, new RegExp(`^pending {4}${pendingCount}, `, 'm'), 'not even an empty folder')
  t.equal(code, 0)
}

/** While a server runs, a second one on its store says who has it. */
async function refuseSecond(
  t: Test,
  options: Parameters<typeof startRefusedStage>[1],
  pid: number | undefined
): Promise<void> {
  const second = await startRefusedStage(t, options)
  t.equal(second.code, 2)
  t.match(second.stderr, new RegExp(`in use by process ${pid} on `))
}

async function verify(folder: string) {
  const store = await LocalDriver.openExisting(folder)
  const findings: Finding[] = []
  const report = {
    found: (finding: Finding) => findings.push(finding),
    looked: () => {},
    reading: () => {},
    read: () => {}
  }
  try {
    const { ledger } = await verifyStore(store, report, new AbortController().signal)
    return { findings, ledger }
  } finally {
    await store.close()
  }
}

function environment(leaseSeconds: number): Readonly<Record<string, string>> {
  return {
    SPARK_STAGE_V0: 'true',
    SPARK_STAGE_LEASE_SECONDS: `${leaseSeconds}`,
    SPARK_STAGE_DRAFT_LEASE_SECONDS: `${draftLeaseSeconds}`,
    SPARK_STAGE_MAX_BUNDLE_AGE_SECONDS: `${maxAgeSeconds}`,
    SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '1',
    SPARK_STAGE_LOG_LEVEL: 'info'
  }
}
