import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MiB } from '../../shared/units.ts'
import { useCluster } from '../cluster/cluster.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import type { Running } from '../integration/helpers/start-process.ts'
import { makeApplications } from './helpers/applications.ts'
import { expectCode } from './helpers/expect-code.ts'
import { installInstance } from './helpers/instance.ts'
import { type JobNamespace, makeJobNamespace } from './helpers/job-namespace.ts'
import { driverLog, jobOptions } from './helpers/spark-submit.ts'
import { runStage, startCommand } from './helpers/stage-command.ts'
import { resultIn, secretsIn, stageOptions, submitter } from './helpers/stage-submit.ts'

const leaseSeconds = 20

const cluster = await useCluster()
const [version] = sparkVersions
const kubeconfig = await submitter(cluster)
const home = await cluster.sparkHome(version)
const instance = await installInstance(cluster, {
  overlay: 'local-disk',
  namespace: 'stage-kills',
  config: {
    SPARK_STAGE_LEASE_SECONDS: `${leaseSeconds}`,
    SPARK_STAGE_DRAFT_LEASE_SECONDS: `${leaseSeconds}`,
    SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '2'
  }
})

t.test('submit killed while it uploads leaves a draft, which expires', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'upload')
  const folder = await outsideFolder(t)
  const large = await open(join(folder, 'large.bin'), 'w')
  await large.truncate(800 * MiB)
  await large.close()
  const app = await emptyApplication(folder)
  const submit = start(t, namespace, ['--files', join(folder, 'large.bin'), app])

  await waitUntil('there is a draft', 60_000, async () => (await statesOf(t, namespace)).includes('draft'))
  await submit.kill('SIGKILL')

  t.same(await secretsIn(cluster, namespace), [])
  await waitUntil('it has expired', 90_000, async () => !(await statesOf(t, namespace)).includes('draft'))
})

t.test(
  'submit killed before there is a driver leaves a Secret, which doctor names and submit removes',
  async t => {
    const namespace = await makeJobNamespace(t, cluster, 'secret')
    const folder = await outsideFolder(t)
    const app = await emptyApplication(folder)
    // In the place of spark-submit: the first waits to be killed with it, the second makes no driver.
    const [waits, ends] = [join(folder, 'waits'), join(folder, 'ends')]
    await writeFile(waits, '#!/bin/sh\nexec sleep 20\n', { mode: 0o755 })
    await writeFile(ends, '#!/bin/sh\n', { mode: 0o755 })
    const submit = start(t, namespace, [app], ['--spark-submit', waits])
    await waitUntil('there is a Secret', 60_000, async () => (await secretsIn(cluster, namespace)).length > 0)
    await submit.kill('SIGKILL')

    const [left = ''] = await secretsIn(cluster, namespace)
    const account = ['--service-account', namespace.serviceAccount]
    const args = ['doctor', '--namespace', namespace.name, ...account]
    const doctor = await runStage(t, cluster, { instance, kubeconfig, args })
    t.match(doctor.stdout, left.replace('secret/', 'Secret '))
    await waitUntil('its bundle has ended', 120_000, async () => {
      return !(await statesOf(t, namespace)).includes('committed')
    })
    const next = await start(t, namespace, [app], ['--spark-submit', ends]).ended

    expectCode(t, next, 16)
    t.same(await secretsIn(cluster, namespace), [], 'neither its own nor the one before')
  }
)

t.test('submit killed once there is a driver hurts no running job', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'driver')
  const files = await makeApplications(home, await outsideFolder(t))
  const submit = start(t, namespace, ['--files', files.tool, files.interpreterPy])
  const drivers = ['get', 'pods', '--namespace', namespace.name, '--selector', 'spark-role=driver']
  await waitUntil('there is a driver', 120_000, async () => {
    return (await cluster.kubectl(...drivers, '--output', 'name')) !== ''
  })
  await submit.kill('SIGKILL')

  await waitUntil('the job has ended', 180_000, async () => {
    const phase = await cluster.kubectl(...drivers, '--output', 'jsonpath={.items[*].status.phase}')
    return phase === 'Succeeded' || phase === 'Failed'
  })
  t.same(JSON.parse(resultIn(await driverLog(cluster, namespace))), { driver: 'none', executors: ['none'] })
  // Its Secret belongs to the driver, or waits for its bundle's end: in both cases nothing stays.
  await cluster.kubectl('delete', 'pods', '--all', '--namespace', namespace.name)
  await waitUntil('the bundle has ended', 120_000, async () => {
    return !(await statesOf(t, namespace)).includes('committed')
  })
  const orphans = ['rm', '--orphans', '--namespace', namespace.name]
  await waitUntil('no Secret is left', 60_000, async () => {
    await runStage(t, cluster, { instance, kubeconfig, args: orphans })
    return (await secretsIn(cluster, namespace)).length === 0
  })
})

/** Starts `spark-stage submit` as the process that a signal reaches. */
function start(
  t: Test,
  namespace: JobNamespace,
  args: readonly string[],
  options: readonly string[] = []
): Running {
  const job = { version, namespace, instance, args }
  return startCommand(t, cluster, {
    instance,
    kubeconfig,
    args: ['submit', ...options, '--', ...jobOptions(cluster, job), ...stageOptions(instance), ...args],
    env: { SPARK_HOME: home }
  })
}

async function emptyApplication(folder: string): Promise<string> {
  const app = join(folder, 'app.py')
  await writeFile(app, 'print(1)\n')
  return app
}

/** What the bundles of a namespace are. */
async function statesOf(t: Test, namespace: JobNamespace): Promise<readonly string[]> {
  const account = ['--service-account', namespace.serviceAccount]
  const args = ['ls', '--json', '--namespace', namespace.name, ...account]
  const { stdout, stderr } = await runStage(t, cluster, { instance, kubeconfig, args })
  if (stdout === '') throw new Error(stderr)
  const { bundles } = JSON.parse(stdout) as { readonly bundles: readonly { readonly state: string }[] }
  return bundles.map(({ state }) => state)
}
