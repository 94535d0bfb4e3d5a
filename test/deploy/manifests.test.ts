import t from 'tap'
import { type Config, configSchema, loadConfig } from '../../server/config.ts'
import { readImageFile } from './image-file.ts'
import {
  jsonPatchesOf,
  type Manifest,
  namedBy,
  onlyManifest,
  patchesOf,
  readManifestFiles,
  settingsOf
} from './manifests.ts'

const files = await readManifestFiles()
const image = await readImageFile('Dockerfile.server')
const all = files.flatMap(({ manifests }) => manifests)
const deployment = onlyManifest(files, 'base/deployment.yaml')
const pod: Manifest = deployment['spec'].template.spec
const [server]: readonly Manifest[] = pod['containers']
if (server === undefined) throw new Error('expected a container in base/deployment.yaml')

const isKustomization = ({ kind }: Manifest) => kind === 'Kustomization' || kind === 'Component'
const kustomization = (folder: string) => onlyManifest(files, `${folder}/kustomization.yaml`)
const component = (name: string) => kustomization(`components/${name}`)

/** What runs, as its parts. */
const instances: Readonly<Record<string, readonly Manifest[]>> = {
  'the base': [kustomization('base')],
  ...Object.fromEntries(
    ['local-disk', 'ttl-only', 'ingress', 'nodeport', 's3'].map(name => {
      const overlay = kustomization(`overlays/${name}`)
      const parts = overlay['components'] as readonly string[]
      return [
        name,
        [kustomization('base'), overlay, ...parts.map(part => component(part.replace(/.*\//, '')))]
      ]
    })
  )
}

t.test('every file is part of a kustomization, and every kustomization names what is there', async t => {
  const paths = files.map(({ path }) => path)
  const named = files.flatMap(file => file.manifests.filter(isKustomization).flatMap(k => namedBy(file, k)))
  const present = new Set(paths.flatMap(path => [path, path.replace('/kustomization.yaml', '')]))

  t.same(
    named.filter(name => !present.has(name)),
    []
  )
  t.same(
    paths.filter(path => !path.endsWith('/kustomization.yaml') && !named.includes(path)),
    []
  )
})

t.test('manifests set nothing but variables of the server', async t => {
  const names = all.filter(isKustomization).flatMap(part => Object.keys(settingsOf(part)))

  t.ok(names.length > 10)
  t.same(
    names.filter(name => !(name in configSchema.properties)),
    []
  )
})

for (const [name, parts] of Object.entries(instances)) {
  const settings: Readonly<Record<string, string>> = Object.assign({}, ...parts.map(settingsOf))
  const pods = [pod, ...parts.flatMap(patchesOf).flatMap(({ spec }) => spec?.template?.spec ?? [])]
  const mounts = merged(
    pods.flatMap(({ containers = [] }) => containers).flatMap(({ volumeMounts = [] }) => volumeMounts),
    'mountPath'
  )
  const volumes = merged(
    pods.flatMap(({ volumes = [] }) => volumes),
    'name'
  )

  t.test(`the server starts with the settings of ${name}`, async t => {
    t.doesNotThrow(() => loadConfig({ ...image.pairs('ENV'), ...settings }))
  })

  t.test(`every file that the settings of ${name} name is on a volume that is mounted`, async t => {
    const { SPARK_STAGE_STORE: store = '' } = { ...image.pairs('ENV'), ...settings }
    const { protocol, pathname } = new URL(store)
    const wanted = Object.values(settings).filter(value => value.startsWith('/'))

    for (const path of [...(protocol === 'file:' ? [pathname] : []), ...wanted]) {
      const mount = mounts.find(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`))
      t.ok(mount, path)
      t.ok(volumes.some(volume => volume['name'] === mount?.['name']))
      t.equal(mount?.['readOnly'] ?? false, path !== '/var/lib/spark-stage', path)
    }
    t.equal(
      mounts.some(({ readOnly = false }) => !readOnly),
      protocol === 'file:',
      'only a store on a disk is written to'
    )
  })
}

t.test('all that is said about the port is the same', async t => {
  const { SPARK_STAGE_PORT: port } = image.pairs('ENV')
  const [service] = onlyManifest(files, 'base/service.yaml')['spec'].ports
  const [paths] = onlyManifest(files, 'components/ingress/ingress.yaml')['spec'].rules
  const [policy] = onlyManifest(files, 'base/network-policy.yaml')['spec'].ingress

  t.equal(image.only('EXPOSE'), port)
  t.same(server['ports'], [{ name: 'http', containerPort: Number(port) }])
  t.match(service, { name: 'http', port: Number(port), targetPort: 'http' })
  for (const path of paths.http.paths) t.equal(path.backend.service.port.name, service.name)
  t.same(policy.ports, [{ protocol: 'TCP', port: 'http' }])
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    t.match(server[probe].httpGet, { port: 'http', path: probe === 'readinessProbe' ? '/readyz' : '/livez' })
  }
})

t.test('the image has the name that its Dockerfile gives it', async t => {
  const title = image.pairs('LABEL')['org.opencontainers.image.title']

  t.equal(server['image'], title)
  t.same(
    all.flatMap(({ images = [] }) => images.map(({ name }: Manifest) => name)),
    [title]
  )
})

t.test('the pod meets the restricted standard, writes only where the store is, and is bounded', async t => {
  t.match(pod['securityContext'], { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  t.same(server['securityContext'], {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] }
  })
  for (const bounds of ['requests', 'limits']) {
    t.same(Object.keys(server['resources'][bounds]).sort(), ['cpu', 'memory'])
  }
  t.equal(pod['enableServiceLinks'], false)
})

t.test('Kubernetes waits for as long as a server takes to drain', async t => {
  const { SPARK_STAGE_DRAIN_SECONDS: drainSeconds } = baseConfig()

  t.ok(pod['terminationGracePeriodSeconds'] > drainSeconds + 10)
})

t.test('one disk has one server at a time, and no drain of a node waits for it', async t => {
  t.match(deployment['spec'], { replicas: 1, strategy: { type: 'Recreate' } })
  const budget = onlyManifest(files, 'base/pod-disruption-budget.yaml')['spec']
  t.equal(budget.maxUnavailable, 1)
  t.notOk('minAvailable' in budget)
})

t.test(
  'servers over a bucket are three on different nodes, are replaced one by one, answer until nobody asks, and have no disk',
  async t => {
    const [patch] = patchesOf(component('s3'))
    const { replicas, strategy, template } = patch?.['spec'] ?? {}

    t.ok(replicas > 1)
    t.same(strategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } })
    t.same(template.spec.volumes, [{ name: 'store', $patch: 'delete' }])
    const { SPARK_STAGE_DRAIN_SECONDS: drainSeconds } = baseConfig()
    const [{ lifecycle }] = template.spec.containers
    const goesOnSeconds = lifecycle.preStop.sleep.seconds
    t.ok(goesOnSeconds >= 5, 'as long as the proxies of a cluster take to learn of it')
    t.ok(goesOnSeconds + drainSeconds + 10 < pod['terminationGracePeriodSeconds'])
    const [{ pairs: labels }] = kustomization('base')['labels']
    const spread: readonly Manifest[] = template.spec.topologySpreadConstraints
    t.same(
      spread.map(({ topologyKey, whenUnsatisfiable }) => [topologyKey, whenUnsatisfiable]),
      [
        ['kubernetes.io/hostname', 'ScheduleAnyway'],
        ['topology.kubernetes.io/zone', 'ScheduleAnyway']
      ]
    )
    for (const { labelSelector } of spread) t.same(labelSelector.matchLabels, labels)
    const overlay = kustomization('overlays/s3')
    t.same(overlay['components'], ['../../components/s3', '../../components/s3-credentials'])
  }
)

t.test('no component sets what a kustomization that names it would say of the bucket', async t => {
  const set = settingsOf(kustomization('overlays/s3'))

  t.same(Object.keys(set), ['SPARK_STAGE_STORE', 'SPARK_STAGE_S3_REGION'])
  // kustomize lets components have the last word.
  for (const name of ['s3', 's3-credentials']) t.hasStrict({ ...set, ...settingsOf(component(name)) }, set)
})

t.test('servers over a bucket may speak with the DNS and with the bucket', async t => {
  const [rule, ...more] = jsonPatchesOf(component('s3'), 'NetworkPolicy')

  t.same(more, [])
  t.match(rule, { op: 'add', path: '/spec/egress/-' })
  const ports: readonly Manifest[] = rule?.['value'].ports
  t.same(
    ports.map(({ protocol, port }) => `${protocol} ${port}`),
    ['UDP 53', 'TCP 53', 'TCP 443', 'TCP 9000']
  )
})

t.test('the keys of the bucket come from one Secret, and nothing else of it gets in', async t => {
  const [patch] = patchesOf(component('s3-credentials'))
  const [container] = patch?.['spec'].template.spec.containers ?? []

  const from = (key: string) => ({ secretKeyRef: { name: 'spark-stage-s3', key } })
  t.same(container, {
    name: 'server',
    env: [
      { name: 'AWS_ACCESS_KEY_ID', valueFrom: from('access-key-id') },
      { name: 'AWS_SECRET_ACCESS_KEY', valueFrom: from('secret-access-key') }
    ]
  })
})

t.test('the server only asks: who someone is, what they may do, which pods live', async t => {
  const role = rolesOf('spark-stage')

  t.same(
    role.map(({ resources, verbs }) => [resources.join(), verbs.join()]),
    [
      ['tokenreviews', 'create'],
      ['subjectaccessreviews', 'create'],
      ['pods', 'list,watch']
    ]
  )
})

t.test('ttl-only has no right in Kubernetes and no token', async t => {
  const patches = patchesOf(component('ttl-only'))
  const removed = patches.filter(patch => patch['$patch'] === 'delete').map(({ kind }) => kind)
  const rbac = files.find(({ path }) => path === 'base/rbac.yaml')?.manifests.map(({ kind }) => kind)

  t.same(removed, rbac)
  t.match(patches, [
    {},
    {},
    { spec: { egress: [] } },
    { spec: { template: { spec: { automountServiceAccountToken: false } } } }
  ])
  t.equal(onlyManifest(files, 'base/service-account.yaml')['automountServiceAccountToken'], false)
})

t.test('a driver cannot read Secrets, and no Role has a wildcard', async t => {
  const granted = rolesOf('spark-driver').flatMap(({ resources }) => resources)

  t.ok(granted.includes('pods'))
  t.notOk(granted.includes('secrets'))
  for (const { rules = [] } of all) {
    for (const rule of rules) t.notOk(JSON.stringify(rule).includes('"*"'), JSON.stringify(rule))
  }
})

t.test('submitters get tokens of the account that drivers run as, and of no other', async t => {
  const rule = rolesOf('spark-submitter').find(({ resources }) => resources.includes('serviceaccounts/token'))
  const account = files
    .find(({ path }) => path === 'rbac/spark/driver.yaml')
    ?.manifests.find(({ kind }) => kind === 'ServiceAccount')

  t.same(rule?.['resourceNames'], [account?.['metadata'].name])
  t.same(rule?.['verbs'], ['create'])
})

t.test('the ingress lets bytes through as they come, and is more patient than the server', async t => {
  const { annotations } = onlyManifest(files, 'components/ingress/ingress.yaml')['metadata']
  const setting = (name: string) => annotations[`nginx.ingress.kubernetes.io/${name}`]
  const { SPARK_STAGE_IDLE_SECONDS: idleSeconds } = baseConfig()

  t.equal(setting('proxy-body-size'), '0')
  t.equal(setting('proxy-request-buffering'), 'off')
  t.equal(setting('proxy-buffering'), 'off')
  for (const timeout of ['proxy-read-timeout', 'proxy-send-timeout']) {
    t.ok(Number(setting(timeout)) > idleSeconds, timeout)
  }
})

t.test('a port of the nodes speaks https', async t => {
  t.same(kustomization('overlays/nodeport')['components'].slice(-2), [
    '../../components/tls',
    '../../components/nodeport'
  ])
})

t.test('a second instance shares no name of the whole cluster, and no token', async t => {
  const second = kustomization('examples/second-instance')

  t.match(second['nameSuffix'], /^-./)
  t.not(second['namespace'], kustomization('overlays/local-disk')['namespace'])
  t.not(settingsOf(second)['SPARK_STAGE_INSTANCE'], settingsOf(kustomization('base'))['SPARK_STAGE_INSTANCE'])
})

t.test('no secret is in any manifest', async t => {
  t.notOk(all.some(({ kind }) => kind === 'Secret'))
  t.notOk(all.some(part => 'secretGenerator' in part))
})

/** What the server makes of the base's settings. */
function baseConfig(): Config {
  return loadConfig({ ...image.pairs('ENV'), ...settingsOf(kustomization('base')) })
}

/** What is left of a list that patches add to and take from: the last of each name. */
function merged(items: readonly Manifest[], name: string): readonly Manifest[] {
  const last = new Map(items.map(item => [item[name], item]))
  return [...last.values()].filter(item => item['$patch'] !== 'delete')
}

/** The rules of the only Role or ClusterRole of a name. */
function rolesOf(name: string): readonly Manifest[] {
  const [role, ...more] = all.filter(({ kind, metadata }) => /Role$/.test(kind) && metadata?.name === name)
  if (role === undefined || more.length > 0) throw new Error(`expected one role ${name}`)
  return role['rules']
}
