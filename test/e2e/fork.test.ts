import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { create } from 'tar'
import { useCluster } from '../cluster/cluster.ts'
import { runCommand } from '../cluster/run-command.ts'
import { sparkVersions } from '../cluster/spark-homes.ts'
import { waitUntil } from '../cluster/wait-until.ts'
import { outsideFolder } from '../integration/helpers/outside-folder.ts'
import { stageImages } from './helpers/images.ts'
import { installInstance } from './helpers/instance.ts'
import { type JobNamespace, makeJobNamespace } from './helpers/job-namespace.ts'
import { applyManifest } from './helpers/kubernetes.ts'

const cluster = await useCluster()
const [version] = sparkVersions

t.test('a pod laid out by the fork gets its files from the init image in the place of its own', async t => {
  const namespace = await makeJobNamespace(t, cluster, 'fork')
  const instance = await installInstance(cluster, {
    overlay: 'local-disk',
    namespace: 'stage-fork',
    config: {
      SPARK_STAGE_V0: 'true',
      SPARK_STAGE_V0_NAMESPACES: namespace.name,
      SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS: 'true'
    }
  })
  const service = ['get', 'service', instance.name, '--namespace', instance.namespace]
  const address = await cluster.kubectl(...service, '--output', 'jsonpath={.spec.clusterIP}')
  const upload = (name: string, content: string) =>
    uploadAsFork(t, `http://${address}:10000`, namespace, name, content)
  const jars = await upload('a.jar', 'bytes of a jar')
  const files = await upload('b.txt', 'bytes of a file')

  await applyManifest(cluster, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'spark-init', namespace: namespace.name },
    stringData: {
      downloadSubmittedJarsSecret: jars.resourceSecret,
      downloadSubmittedFilesSecret: files.resourceSecret
    }
  })
  const key = 'spark.kubernetes.initcontainer'
  const secrets = '/mnt/secrets/spark-init'
  const properties = {
    'spark.kubernetes.resourceStagingServer.uri': instance.podServer,
    [`${key}.downloadJarsResourceIdentifier`]: jars.resourceId,
    [`${key}.downloadJarsSecretLocation`]: `${secrets}/downloadSubmittedJarsSecret`,
    [`${key}.downloadFilesResourceIdentifier`]: files.resourceId,
    [`${key}.downloadFilesSecretLocation`]: `${secrets}/downloadSubmittedFilesSecret`
  }
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`)
  await applyManifest(cluster, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'spark-init', namespace: namespace.name },
    data: { 'spark-init.properties': lines.join('') }
  })
  await applyManifest(cluster, await forkPod(namespace))

  const of = ['driver', '--namespace', namespace.name]
  await waitUntil('the pod has ended', 90_000, async () => {
    const phase = await cluster.kubectl('get', 'pod', ...of, '--output', 'jsonpath={.status.phase}')
    return phase === 'Succeeded' || phase === 'Failed'
  })
  const init = await cluster.kubectl('logs', ...of, '--container', 'spark-init')
  t.equal(await cluster.kubectl('logs', ...of), 'bytes of a jarbytes of a file', init)
})

/** What the fork's client sends, by curl. */
async function uploadAsFork(
  t: Test,
  server: string,
  namespace: JobNamespace,
  name: string,
  content: string
): Promise<{ readonly resourceId: string; readonly resourceSecret: string }> {
  const folder = await outsideFolder(t)
  await mkdir(join(folder, 'in'))
  await writeFile(join(folder, 'in', name), content)
  await create({ gzip: true, file: join(folder, 'all.tgz'), cwd: join(folder, 'in') }, [name])
  const labels = { 'spark-app-selector': 'spark-e2e' }
  const owner = { ownerNamespace: namespace.name, ownerLabels: labels, ownerType: 'Pod' }
  await writeFile(join(folder, 'owner.json'), JSON.stringify(owner))
  const [command = '', ...args] = [
    ...cluster.inNamespace,
    ...['curl', '--silent', '--show-error', '--fail-with-body', '--retry', '20', '--retry-connrefused'],
    ...['--form', `resources=@${folder}/all.tgz;type=multipart/form-data`],
    ...['--form', `resourcesOwner=<${folder}/owner.json;type=application/json`],
    `${server}/api/v0/resources/`
  ]
  return JSON.parse(await runCommand(command, args))
}

async function forkPod(namespace: JobNamespace): Promise<object> {
  const { init } = stageImages
  const container = {
    imagePullPolicy: 'IfNotPresent',
    securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    volumeMounts: [{ name: 'downloads', mountPath: '/var/spark-data' }]
  }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'driver', namespace: namespace.name, labels: { 'spark-app-selector': 'spark-e2e' } },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 185, seccompProfile: { type: 'RuntimeDefault' } },
      initContainers: [
        {
          ...container,
          name: 'spark-init',
          image: init,
          args: ['/etc/spark-init/spark-init.properties'],
          volumeMounts: [
            ...container.volumeMounts,
            { name: 'properties', mountPath: '/etc/spark-init' },
            { name: 'secrets', mountPath: '/mnt/secrets/spark-init' }
          ]
        }
      ],
      containers: [
        {
          ...container,
          name: 'spark-kubernetes-driver',
          image: cluster.sparkImage(version),
          command: ['cat', '/var/spark-data/spark-jars/a.jar', '/var/spark-data/spark-files/b.txt']
        }
      ],
      volumes: [
        { name: 'downloads', emptyDir: {} },
        { name: 'properties', configMap: { name: 'spark-init' } },
        { name: 'secrets', secret: { secretName: 'spark-init' } }
      ]
    }
  }
}
