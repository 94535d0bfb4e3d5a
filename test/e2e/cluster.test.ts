import t from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { expectCode } from './helpers/expect-code.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { driverLog, submitJob } from './helpers/spark-submit.ts'

const cluster = await useCluster()

for (const version of sparkVersions) {
  t.test(
    `Spark ${version} runs what is in its image, on driver and executor, under the restricted standard`,
    async t => {
      const namespace = await makeJobNamespace(t, cluster, 'pi')

      const ending = await submitJob(t, cluster, {
        version,
        namespace,
        args: ['--name', 'pi', 'local:///opt/spark/examples/pi.py', '2']
      })

      expectCode(t, ending, 0)
      t.match(await driverLog(cluster, namespace), /^Pi is roughly 3\.\d+$/m)
      const pods = ['get', 'pods', '--namespace', namespace.name, '--selector', 'spark-role=driver']
      t.equal(await cluster.kubectl(...pods, '--output', 'jsonpath={.items[*].status.phase}'), 'Succeeded')
    }
  )
}

t.test('a pod without a security context is refused where the restricted standard is enforced', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'refused')
  const [version] = sparkVersions
  const pod = ['run', 'plain', '--image', cluster.sparkImage(version), '--namespace', namespace.name]

  await t.rejects(cluster.kubectl(...pod), { message: /violates PodSecurity "restricted/ })

  t.equal(await cluster.kubectl('get', 'pods', '--namespace', namespace.name, '--output', 'name'), '')
})

t.test('a user has the rights that it was given, in that namespace only', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'rights')
  const kubeconfig = await cluster.serviceAccountUser(namespace.name, namespace.serviceAccount)
  const asUser = (...args: readonly string[]) => cluster.kubectl(`--kubeconfig=${kubeconfig}`, ...args)

  t.equal(await asUser('get', 'pods', '--namespace', namespace.name, '--output', 'name'), '')
  await t.rejects(asUser('get', 'pods', '--namespace', 'default'), { message: /cannot list resource "pods"/ })
  await t.rejects(asUser('get', 'secrets', '--namespace', namespace.name), {
    message: /cannot list resource "secrets"/
  })
})
