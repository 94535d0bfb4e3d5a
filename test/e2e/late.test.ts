import t from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { makeApplications } from './helpers/applications.ts'
import { expectCode } from './helpers/expect-code.ts'
import { findSecrets } from './helpers/find-secrets.ts'
import { installInstance, waitForInstance } from './helpers/instance.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { driverLog } from './helpers/spark-submit.ts'
import { resultIn, stageAndSubmit } from './helpers/stage-submit.ts'

const leaseSeconds = 15
const idleSeconds = 10 * leaseSeconds

const cluster = await useCluster()
const [version] = sparkVersions

t.test('executors that start long after the first lease, and after a restart, get their files', async t => {
  const instance = await installInstance(cluster, {
    overlay: 'local-disk',
    namespace: 'stage-late',
    config: {
      SPARK_STAGE_LEASE_SECONDS: `${leaseSeconds}`,
      SPARK_STAGE_GRACE_SECONDS: '5',
      SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '5'
    }
  })
  const namespace = await makeJobNamespace(t, cluster, 'late')
  const files = await makeApplications(await cluster.sparkHome(version), await outsideFolder(t))
  const allocation = {
    'spark.dynamicAllocation.enabled': 'true',
    'spark.dynamicAllocation.shuffleTracking.enabled': 'true',
    'spark.dynamicAllocation.minExecutors': '0',
    'spark.dynamicAllocation.initialExecutors': '1',
    'spark.dynamicAllocation.maxExecutors': '1',
    'spark.dynamicAllocation.executorIdleTimeout': '10s'
  }
  const confs = Object.entries(allocation).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
  const submitted = stageAndSubmit(t, cluster, {
    version,
    namespace,
    instance,
    timeoutSeconds: 420,
    args: [...confs, '--files', files.confJson, files.latePy, `${idleSeconds}`]
  })

  await waitUntil('the first executor has its files', 180_000, async () =>
    (await driverLog(cluster, namespace)).includes('EARLY')
  )
  const deployment = [`deployment/${instance.name}`, '--namespace', instance.namespace]
  await cluster.kubectl('rollout', 'restart', ...deployment)
  await waitForInstance(cluster, instance)
  const secrets = await findSecrets(cluster, [namespace.name, instance.namespace], namespace.name)
  t.ok(secrets.places.length > 10, `looked at ${secrets.places.join(', ')}`)
  t.same(secrets.found, [], 'no secret is anywhere but in Secrets')
  const ending = await submitted

  expectCode(t, ending, 0)
  const late = { early: ['staged'], idle: 0, late: ['staged'] }
  t.same(JSON.parse(resultIn(await driverLog(cluster, namespace))), late)
  const after = await findSecrets(cluster, [namespace.name, instance.namespace], namespace.name)
  t.same(after.found, [], 'nor after the job')
  for (const secret of secrets.values) t.notMatch(ending.stdout + ending.stderr, secret, 'nor on the screen')
})
