import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadYaml } from '@kubernetes/client-node'
import t from 'tap'
import { useCluster } from '../cluster/cluster.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { repositoryPath } from '../integration/helpers/programs.ts'
import { makeApplications } from './helpers/applications.ts'
import { expectCode } from './helpers/expect-code.ts'
import { installInstance } from './helpers/instance.ts'
import { makeJobNamespace } from './helpers/job-namespace.ts'
import { driverLog } from './helpers/spark-submit.ts'
import { resultIn, stageAndSubmit } from './helpers/stage-submit.ts'

const cluster = await useCluster()
const instance = await installInstance(cluster, { overlay: 'local-disk', namespace: 'stage-template' })

/** What Spark sets by itself, whatever a template says. */
const sparksOwn = new Set(['image', 'restartPolicy', 'resources'])

for (const version of sparkVersions) {
  t.test(`on Spark ${version} all that a user's template says is in the running pods`, async t => {
    const namespace = await makeJobNamespace(t, cluster, 'template')
    const folder = await outsideFolder(t)
    const files = await makeApplications(await cluster.sparkHome(version), folder)
    const text = await readFile(repositoryPath('test/e2e/applications/templates/own-pod.yaml'), 'utf8')
    const template = text.replaceAll('SPARK_IMAGE', cluster.sparkImage(version))
    const file = join(folder, 'own-pod.yaml')
    await writeFile(file, template)
    const named = ['driver', 'executor'].flatMap(role => [
      ...['--conf', `spark.kubernetes.${role}.podTemplateFile=${file}`],
      ...['--conf', `spark.kubernetes.${role}.podTemplateContainerName=own-spark`]
    ])
    const keep = ['--conf', 'spark.kubernetes.executor.deleteOnTermination=false']

    const ending = await stageAndSubmit(t, cluster, {
      version,
      namespace,
      instance,
      args: [...named, ...keep, '--files', files.confJson, files.preparedPy]
    })

    expectCode(t, ending, 0)
    const log = await driverLog(cluster, namespace, 'own-spark')
    const found = { marker: 'prepared', variable: 'from the template', conf: 'staged' }
    t.same(JSON.parse(resultIn(log)), { driver: found, executors: [found] })
    const expected = loadYaml<Record<string, unknown>>(template)
    for (const role of ['driver', 'executor']) {
      const pods = ['get', 'pods', '--namespace', namespace.name, '--selector', `spark-role=${role}`]
      const [pod] = JSON.parse(await cluster.kubectl(...pods, '--output', 'json')).items
      t.same(missing(expected, pod, role), [], 'nothing of it is missing')
    }
  })
}

/** The paths of what `expected` has and `found` has not; things with names are found by them, and are in the same order. */
function missing(expected: unknown, found: unknown, path: string): readonly string[] {
  if (Array.isArray(expected)) {
    if (!Array.isArray(found)) return [path]
    const places = expected.map(item => found.findIndex(other => isSame(item, other)))
    const inOrder = places.every((place, at) => at === 0 || place > (places[at - 1] ?? -1))
    // Spark puts its own container last of an executor's.
    const order = inOrder || path.endsWith('.containers') ? [] : [`${path}: order`]
    return [
      ...order,
      ...expected.flatMap((item, at) => missing(item, found[places[at] ?? -1], `${path}.${at}`))
    ]
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof found !== 'object' || found === null) return [path]
    return Object.entries(expected).flatMap(([key, value]) =>
      isSparks(expected, key) ? [] : missing(value, (found as Record<string, unknown>)[key], `${path}.${key}`)
    )
  }
  return expected === found ? [] : [path]
}

/** Spark decides the image and the resources of its own container, and how a pod restarts. */
function isSparks(owner: object, key: string): boolean {
  const isOwnContainer = 'name' in owner && owner.name === 'own-spark'
  return sparksOwn.has(key) && (isOwnContainer || 'containers' in owner)
}

function isSame(item: unknown, other: unknown): boolean {
  const nameOf = (thing: unknown) =>
    typeof thing === 'object' && thing !== null && 'name' in thing ? thing.name : JSON.stringify(thing)
  if (typeof item === 'object' && item !== null && 'key' in item) {
    return typeof other === 'object' && other !== null && 'key' in other && other.key === item.key
  }
  return nameOf(item) === nameOf(other)
}
