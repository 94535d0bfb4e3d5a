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

t.test('a bundle stays while a pod of its lives, and ends a grace after the last of them', async t => {
  const bundle = await put(t)
  await runOwnerPod(cluster, {
    name: 'short',
    namespace,
    labels: { 'spark-stage/bundle': bundle.id },
    seconds: 3 * leaseSeconds
  })

  const livesUntil = Date.now() + 3 * leaseSeconds * 1000
  while (Date.now() < livesUntil) {
    t.equal(await manifestStatus(bundle), 200, 'its files are there')
    await sleep(5_000)
  }
  await waitUntil('the pod has ended', 60_000, async () => (await phaseOf('short')) === 'Succeeded')
  t.equal(await manifestStatus(bundle), 200, 'its files are there in the grace')

  await waitUntil('the lease has ended', 90_000, async () => (await manifestStatus(bundle)) === 410)
  await waitUntil('the bytes are gone', 60_000, async () => !(await bytesAreThere(bundle.id)))
})

t.test('nothing is removed while the API server is away, and all goes on by itself after that', async t => {
  const living = await put(t)
  const ended = await put(t)
  await runOwnerPod(cluster, {
    name: 'living',
    namespace,
    labels: { 'spark-stage/bundle': living.id },
    seconds: 3600
  })
  await runOwnerPod(cluster, {
    name: 'ended',
    namespace,
    labels: { 'spark-stage/bundle': ended.id },
    seconds: awaySeconds / 2
  })
  await waitUntil('both run', 60_000, async () => {
    const phases = [await phaseOf('living'), await phaseOf('ended')]
    return phases.every(phase => phase === 'Running')
  })
  // Until the server has seen them.
  await sleep(leaseSeconds * 1000)

  await cluster.stopApiServer()
  t.teardown(() => cluster.startApiServer())
  const awayUntil = Date.now() + awaySeconds * 1000
  while (Date.now() < awayUntil) {
    const statuses = [await manifestStatus(living), await manifestStatus(ended)]
    t.same(statuses, [200, 200], 'nothing is removed while nobody can tell')
    await sleep(10_000)
  }
  await cluster.startApiServer()

  await waitUntil(
    'the one without pods has ended',
    180_000,
    async () => (await manifestStatus(ended)) === 410
  )
  t.equal(await manifestStatus(living), 200, 'the other is served')
  await cluster.kubectl('delete', 'pod', 'living', '--namespace', namespace.name)
  await waitUntil('it has ended too', 120_000, async () => (await manifestStatus(living)) === 410)
  const restarts = 'jsonpath={.items[*].status.containerStatuses[*].restartCount}'
  const pods = await cluster.kubectl('get', 'pods', '--namespace', instance.namespace, '--output', restarts)
  t.equal(pods, '0', 'the server was not restarted for it')
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

async function bytesAreThere(id: string): Promise<boolean> {
  const pods = ['--namespace', instance.namespace, `deployment/${instance.name}`]
  const found = await cluster.kubectl(
    'exec',
    ...pods,
    '--',
    'sh',
    '-c',
    `ls /var/lib/spark-stage/bundles/${id} || true`
  )
  return found.includes('0')
}

async function phaseOf(name: string): Promise<string> {
  const pod = ['get', 'pod', name, '--namespace', namespace.name]
  return await cluster.kubectl(...pod, '--output', 'jsonpath={.status.phase}')
}
