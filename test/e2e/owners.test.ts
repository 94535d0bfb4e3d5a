import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { runCommand } from '../cluster/run-command.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { installInstance } from './helpers/instance.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { runOwnerPod } from './helpers/owner-pod.ts'
import { runStage } from './helpers/stage-command.ts'

const leaseSeconds = 15
const graceSeconds = 10
const sweepSeconds = 5
const awaySeconds = 120

const cluster = await useCluster()
const namespace = await makeJobNamespace(t, cluster, 'owners')
const instance = await installInstance(cluster, {
  overlay: 'local-disk',
  namespace: 'stage-owners',
  config: {
    SPARK_STAGE_LEASE_SECONDS: `${leaseSeconds}`,
    SPARK_STAGE_GRACE_SECONDS: `${graceSeconds}`,
    SPARK_STAGE_SWEEP_INTERVAL_SECONDS: `${sweepSeconds}`
  }
})
const service = ['get', 'service', instance.name, '--namespace', instance.namespace]
const address = await cluster.kubectl(...service, '--output', 'jsonpath={.spec.clusterIP}')

// Downloads renew leases too: so what is there is looked at on the server's disk, and asked for only once it counts.

t.test('a bundle stays while a pod of its lives, and ends a grace after the last of them', async t => {
  const bundle = await put(t)
  const labels = { 'spark-stage/bundle': bundle.id }
  await runOwnerPod(cluster, { name: 'short', namespace, labels, seconds: 3 * leaseSeconds })
  await waitUntil('the pod runs', 60_000, async () => (await phaseOf('short')) === 'Running')

  while ((await phaseOf('short')) === 'Running') {
    t.ok(await bytesAreThere(bundle.id), 'its files are there')
    await sleep(5_000)
  }
  t.equal(await phaseOf('short'), 'Succeeded')
  t.equal(await manifestStatus(bundle), 200, 'its files are served in the grace')

  await waitUntil('its files are gone', 90_000, async () => !(await bytesAreThere(bundle.id)))
  t.equal(await manifestStatus(bundle), 410)
})

t.test('nothing is removed while the API server is away, and all goes on by itself after that', async t => {
  const bundles = { living: await put(t), ended: await put(t) }
  const seconds = { living: 3600, ended: awaySeconds / 2 }
  for (const name of ['living', 'ended'] as const) {
    const labels = { 'spark-stage/bundle': bundles[name].id }
    await runOwnerPod(cluster, { name, namespace, labels, seconds: seconds[name] })
    await waitUntil(`${name} runs`, 60_000, async () => (await phaseOf(name)) === 'Running')
  }
  // Until the server has seen them, and has renewed their leases once.
  await sleep(leaseSeconds * 1000)

  await cluster.stopApiServer()
  t.teardown(() => cluster.startApiServer())
  const awayUntil = Date.now() + awaySeconds * 1000
  while (Date.now() < awayUntil) {
    const areThere = [await bytesAreThere(bundles.living.id), await bytesAreThere(bundles.ended.id)]
    t.same(areThere, [true, true], 'nothing is removed while nobody can tell')
    await sleep(10_000)
  }
  t.equal(await manifestStatus(bundles.living), 200, 'and it is served, long after its lease')
  await cluster.startApiServer()

  await waitUntil(
    'the one without pods is gone',
    180_000,
    async () => !(await bytesAreThere(bundles.ended.id))
  )
  t.ok(await bytesAreThere(bundles.living.id), 'the other is there')
  await cluster.kubectl('delete', 'pod', 'living', '--namespace', namespace.name)
  await waitUntil('it is gone too', 120_000, async () => !(await bytesAreThere(bundles.living.id)))
  const restarts = 'jsonpath={.items[*].status.containerStatuses[*].restartCount}'
  const pods = await cluster.kubectl('get', 'pods', '--namespace', instance.namespace, '--output', restarts)
  t.match(pods, /^0( 0)*$/, 'no server was restarted for it')
})

interface Bundle {
  readonly id: string
  readonly tokenFile: string
}

async function put(t: Test): Promise<Bundle> {
  const folder = await outsideFolder(t)
  await writeFile(join(folder, 'a.txt'), 'staged\n')
  const tokenFile = join(folder, 'token')
  const files = ['--file', join(folder, 'a.txt'), '--token-out', tokenFile]
  const args = ['put', '--namespace', namespace.name, '--service-account', 'spark', '--json', ...files]
  const { stdout, stderr } = await runStage(t, cluster, { instance, kubeconfig: cluster.kubeconfig, args })
  if (stdout === '') throw new Error(stderr)
  return { id: JSON.parse(stdout).bundleId, tokenFile }
}

/** What the server answers to who holds the token, by curl inside the cluster's network. */
async function manifestStatus({ id, tokenFile }: Bundle): Promise<number> {
  const url = `http://${address}:10000/api/v1/bundles/${namespace.name}/${id}`
  const [command = '', ...args] = [
    ...cluster.inNamespace,
    ...[
      'sh',
      '-c',
      'curl -s -m 10 -o /dev/null -w "%{http_code}" -H "Authorization: Bearer $(cat "$1")" "$2"'
    ],
    ...['sh', tokenFile, url]
  ]
  return Number(await runCommand(command, args))
}

/** Looks at the store itself: a download would renew the lease. */
async function bytesAreThere(id: string): Promise<boolean> {
  return await instance.storeHas(`bundles/${id}/0`)
}

async function phaseOf(name: string): Promise<string> {
  const pod = ['get', 'pod', name, '--namespace', namespace.name]
  return await cluster.kubectl(...pod, '--output', 'jsonpath={.status.phase}')
}
