import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { makeApplications } from './helpers/applications.ts'
import { expectCode } from './helpers/expect-code.ts'
import { installInstance, waitForInstance } from './helpers/instance.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { runStage } from './helpers/stage-command.ts'
import { resultIn, stageAndSubmit } from './helpers/stage-submit.ts'

const driversCount = 5

const cluster = await useCluster()
const [version] = sparkVersions
const instance = await installInstance(cluster, { overlay: 'local-disk', namespace: 'stage-away' })

t.test('five drivers start while the server’s pod is deleted, and all jobs finish', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'five')
  const files = await makeApplications(await cluster.sparkHome(version), await outsideFolder(t))
  const submits = Array.from({ length: driversCount }, (_, at) =>
    stageAndSubmit(t, cluster, {
      version,
      namespace,
      instance,
      timeoutSeconds: 420,
      args: ['--name', `five-${at}`, '--files', files.tool, files.interpreterPy]
    })
  )

  const drivers = ['get', 'pods', '--namespace', namespace.name, '--selector', 'spark-role=driver']
  await waitUntil('there is a driver', 180_000, async () => {
    return (await cluster.kubectl(...drivers, '--output', 'name')) !== ''
  })
  const server = ['--namespace', instance.namespace, '--selector', 'app.kubernetes.io/name=spark-stage']
  await cluster.kubectl('delete', 'pod', ...server, '--wait=false')
  const endings = await Promise.all(submits)
  await waitForInstance(cluster, instance)

  for (const ending of endings) expectCode(t, ending, 0)
  const names = (await cluster.kubectl(...drivers, '--output', 'name')).trim().split('\n')
  t.equal(names.length, driversCount)
  for (const name of names) {
    const log = await cluster.kubectl('logs', name, '--namespace', namespace.name)
    t.same(JSON.parse(resultIn(log)), { driver: 'none', executors: ['none'] })
  }
})

t.test('the init container of a revoked bundle says so, in the pod and to who submitted it', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'revoked')
  const folder = await outsideFolder(t)
  const app = join(folder, 'app.py')
  await writeFile(app, 'print("never")\n')
  // Between the upload and the driver somebody revokes the bundle: here, what stands in the place of spark-submit.
  const home = await cluster.sparkHome(version)
  const wrapper = join(folder, 'spark-submit')
  const revoke = join(folder, 'revoke')
  await writeFile(wrapper, waitingSubmit(revoke, join(home, 'bin/spark-submit')), { mode: 0o755 })
  const submitted = stageAndSubmit(t, cluster, {
    version,
    namespace,
    instance,
    options: ['--spark-submit', wrapper],
    args: [app]
  })

  const secrets = ['get', 'secrets', '--namespace', namespace.name, '--output', 'name']
  await waitUntil('it is staged', 60_000, async () => (await cluster.kubectl(...secrets)) !== '')
  const [, id = ''] = /spark-stage-([0-9a-f]{32})/.exec(await cluster.kubectl(...secrets)) ?? []
  const removed = await runStage(t, cluster, {
    instance,
    kubeconfig: cluster.kubeconfig,
    args: ['rm', '--service-account', namespace.serviceAccount, `${namespace.name}/${id}`]
  })
  expectCode(t, removed, 0)
  await writeFile(revoke, '')
  const ending = await submitted

  expectCode(t, ending, 16)
  t.match(ending.stdout + ending.stderr, /revoked/)
  const described = await cluster.kubectl('describe', 'pods', '--namespace', namespace.name)
  t.match(described, /Exit Code: +11/)
  t.match(described, /revoked/)
})

/** Waits for a file before it becomes the real one. */
function waitingSubmit(file: string, program: string): string {
  return `#!/bin/sh\nuntil [ -e '${file}' ]; do sleep 0.2; done\nexec '${program}' "$@"\n`
}
