import t, { type Test } from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { type SparkVersion, sparkVersions } from '../cluster/spark-homes.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { type Applications, makeApplications } from './helpers/applications.ts'
import { expectCode } from './helpers/expect-code.ts'
import { startFileServer } from './helpers/file-server.ts'
import { installInstance } from './helpers/instance.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { driverLog } from './helpers/spark-submit.ts'
import { resultIn, type StagedJob, secretsIn, stageAndSubmit } from './helpers/stage-submit.ts'

const cluster = await useCluster()
const first = await installInstance(cluster, { overlay: 'local-disk', namespace: 'stage-first' })
const second = await installInstance(cluster, {
  overlay: 'local-disk',
  namespace: 'stage-second',
  suffix: '-second'
})

for (const version of sparkVersions) {
  t.test(`on Spark ${version}`, async t => {
    const files = await makeApplications(await cluster.sparkHome(version), await outsideFolder(t))

    t.test('a Java job finds all its jars, also two of one name and one from the web', t =>
      runJavaJob(t, version, files)
    )
    t.test('a Python job finds every kind of dependency, on the driver and on executors', t =>
      runPythonJob(t, version, files)
    )
    t.test('a staged file is the interpreter, executable as it was', async t => {
      const log = await run(t, {
        version,
        instance: second,
        args: ['--files', files.tool, '--conf', 'spark.pyspark.python=./tool', files.interpreterPy]
      })

      t.same(JSON.parse(resultIn(log)), { driver: 'tool', executors: ['tool'] })
    })
  })
}

async function runJavaJob(t: Test, version: SparkVersion, files: Applications): Promise<void> {
  const web = await startFileServer(t, cluster, files.remoteJar)
  const jars = [...files.utilJars, `${web.url}/remote.jar`, files.thirdJar]
  const trust = `-Djavax.net.ssl.trustStore=/var/spark-stage/files/${web.trustStoreName}`
  const log = await run(t, {
    version,
    instance: first,
    args: [
      ...['--class', 'Job', '--jars', jars.join(), '--files', web.trustStore],
      ...['--conf', `spark.driver.extraJavaOptions=${trust}`],
      ...['--conf', `spark.executor.extraJavaOptions=${trust}`],
      files.jobJar
    ]
  })

  const all = 'first,second,third,remote'
  t.equal(resultIn(log), `driver=${all} executors=${all}`)
}

async function runPythonJob(t: Test, version: SparkVersion, files: Applications): Promise<void> {
  const log = await run(t, {
    version,
    instance: first,
    args: [
      ...['--py-files', `${files.packedZip},${files.singleModule}`],
      ...['--files', files.confJson, '--archives', `${files.envArchive}#env`],
      ...['--conf', 'spark.pyspark.python=./env/bin/python'],
      files.everythingPy
    ]
  })

  const found = {
    zip: 'packed',
    module: 'single',
    open: 'staged',
    SparkFiles: 'staged',
    interpreter: 'env'
  }
  t.same(JSON.parse(resultIn(log)), { driver: found, executors: [found] })
}

/** Runs a job to its good end. @returns the driver's log */
async function run(t: Test, job: Omit<StagedJob, 'namespace'>): Promise<string> {
  const namespace = await makeJobNamespace(t, cluster, 'job')

  const ending = await stageAndSubmit(t, cluster, { ...job, namespace })

  expectCode(t, ending, 0)
  const [secret, ...more] = await secretsIn(cluster, namespace)
  t.match(secret, /^secret\/spark-stage-[0-9a-f]{32}$/)
  t.same(more, [])
  const log = await driverLog(cluster, namespace)
  await cluster.kubectl('delete', 'pods', '--selector', 'spark-role=driver', '--namespace', namespace.name)
  await waitUntil('its Secret has gone with it', 60_000, async () => {
    return (await secretsIn(cluster, namespace)).length === 0
  })
  return log
}
