import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { GiB } from '../../shared/units.ts'
import { nodeAddress } from '../cluster/addresses.ts'
import { useCluster } from '../cluster/cluster.ts'
import { runCommand } from '../cluster/run-command.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { makeApplications } from './helpers/applications.ts'
import { expectCode } from './helpers/expect-code.ts'
import { startIngress } from './helpers/ingress.ts'
import { installInstance } from './helpers/instance.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { makeLaptopNetwork } from './helpers/laptop-network.ts'
import { driverLog } from './helpers/spark-submit.ts'
import { resultIn, stageAndSubmit } from './helpers/stage-submit.ts'

const cluster = await useCluster()
const [version] = sparkVersions
const instance = await installInstance(cluster, { overlay: 'ingress', namespace: 'stage-reach' })

t.test('a laptop that reaches the API server and nothing else stages through it', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'laptop')
  const files = await makeApplications(await cluster.sparkHome(version), await outsideFolder(t))
  const { port } = new URL(cluster.apiServer)
  const inNamespace = await makeLaptopNetwork(t, port)
  const laptop = { ...cluster, inNamespace, apiServer: `https://${nodeAddress}:${port}` }
  const service = ['get', 'service', instance.name, '--namespace', instance.namespace]
  const address = await cluster.kubectl(...service, '--output', 'jsonpath={.spec.clusterIP}')
  const [nsenter = '', ...curl] = [...inNamespace, 'curl', '-s', '-m', '3', `http://${address}:10000/readyz`]
  await t.rejects(runCommand(nsenter, curl), 'the server itself cannot be reached')

  const ending = await stageAndSubmit(t, laptop, {
    version,
    namespace,
    instance,
    args: ['--files', files.tool, '--conf', 'spark.pyspark.python=./tool', files.interpreterPy]
  })

  expectCode(t, ending, 0)
  t.same(JSON.parse(resultIn(await driverLog(cluster, namespace))), { driver: 'tool', executors: ['tool'] })
})

t.test('a GiB goes through an ingress with the settings of the overlay', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'ingress')
  const folder = await outsideFolder(t)
  const files = await makeApplications(await cluster.sparkHome(version), folder)
  const large = await open(join(folder, 'large.bin'), 'w')
  await large.truncate(GiB)
  await large.close()
  const ingress = await startIngress(t, cluster, instance)

  const ending = await stageAndSubmit(t, cluster, {
    version,
    namespace,
    instance,
    options: [
      ...['--server', ingress.url, '--ca-file', ingress.caFile],
      ...['--service-account', namespace.serviceAccount]
    ],
    args: [
      ...['--conf', `spark.kubernetes.resourceStagingServer.internal.uri=${instance.podServer}`],
      ...['--files', join(folder, 'large.bin'), files.sizesPy, 'large.bin']
    ]
  })

  expectCode(t, ending, 0)
  t.same(JSON.parse(resultIn(await driverLog(cluster, namespace))), { bytes: GiB })
})
