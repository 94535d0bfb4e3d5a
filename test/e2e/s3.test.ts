import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { repositoryPath } from '../integration/helpers/programs.ts'
import { expectCode } from './helpers/expect-code.ts'
import { findSecrets } from './helpers/find-secrets.ts'
import { installInstance, waitForInstance } from './helpers/instance.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { driverLog } from './helpers/spark-submit.ts'
import { resultIn, stageAndSubmit } from './helpers/stage-submit.ts'

const idleSeconds = 8

/** The lines of servers' logs that audit downloads. */
function downloadsIn(log: string): readonly string[] {
  return log.split('\n').filter(line => line.includes('"download"'))
}

const cluster = await useCluster()
const [version] = sparkVersions

t.test(
  'a job over a bucket is right, though one of three servers goes while executors come and go',
  async t => {
    const instance = await installInstance(cluster, {
      overlay: 's3',
      namespace: 'stage-s3',
      config: { SPARK_STAGE_S3_REDIRECT: 'true' }
    })
    const servers = async () => {
      const all = ['--namespace', instance.namespace, '--selector', 'app.kubernetes.io/name=spark-stage']
      return (await cluster.kubectl('get', 'pods', ...all, '--output', 'name')).trim().split('\n')
    }
    const logs = async (names: readonly string[]) => {
      const each = names.map(name => cluster.kubectl('logs', name, '--namespace', instance.namespace))
      return (await Promise.all(each)).join('')
    }
    const first = await servers()
    t.equal(first.length, 3)
    const namespace = await makeJobNamespace(t, cluster, 's3')
    const confJson = join(await outsideFolder(t), 'conf.json')
    await writeFile(confJson, '{"name":"staged"}')
    const latePy = repositoryPath('test/e2e/applications/python/late.py')
    // The first executors go, and their successors fetch again.
    const allocation = {
      'spark.dynamicAllocation.enabled': 'true',
      'spark.dynamicAllocation.shuffleTracking.enabled': 'true',
      'spark.dynamicAllocation.minExecutors': '0',
      'spark.dynamicAllocation.initialExecutors': '2',
      'spark.dynamicAllocation.maxExecutors': '2',
      'spark.dynamicAllocation.executorIdleTimeout': '3s'
    }
    const confs = Object.entries(allocation).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
    const submitted = stageAndSubmit(t, cluster, {
      version,
      namespace,
      instance,
      args: [...confs, '--files', confJson, latePy, `${idleSeconds}`]
    })

    const executors = ['get', 'pods', '--namespace', namespace.name, '--selector', 'spark-role=executor']
    await waitUntil('there is an executor', 180_000, async () => {
      return (await cluster.kubectl(...executors, '--output', 'name')) !== ''
    })
    const [gone = ''] = first
    const before = downloadsIn(await logs(first))
    await cluster.kubectl('delete', gone, '--namespace', instance.namespace, '--now', '--wait=false')
    const ending = await submitted
    await waitForInstance(cluster, instance)

    expectCode(t, ending, 0)
    const late = { early: ['staged'], idle: 0, late: ['staged'] }
    t.same(JSON.parse(resultIn(await driverLog(cluster, namespace))), late)
    const now = await servers()
    t.equal(now.length, 3)
    t.notOk(now.includes(gone))
    const after = downloadsIn(await logs(now)).filter(line => !before.includes(line))
    t.ok(after.length > 0, 'the servers that were left, and the new one, were asked for files')
    t.same(
      [...before, ...after].filter(line => !line.includes('"redirected"')),
      [],
      'all bytes came from the bucket'
    )
    const secrets = await findSecrets(cluster, [namespace.name, instance.namespace], namespace.name)
    t.ok(secrets.values.length > 3)
    t.same(secrets.found, [], 'no secret is anywhere but in Secrets, the keys of the bucket neither')
  }
)
