import fc from 'fast-check'
import t from 'tap'
import { mergeTemplate, type StagedBundle, volumeLimit } from '../../../client/submit/pod-template.ts'
import {
  isMapping,
  type Mapping,
  PlainWord,
  parseTemplate,
  printTemplate
} from '../../../client/submit/template-yaml.ts'
import { GiB, MiB } from '../../../shared/units.ts'

const bundle: StagedBundle = {
  namespace: 'team-a',
  bundleId: '0123456789abcdef0123456789abcdef',
  secretName: 'spark-stage-0123456789abcdef0123456789abcdef',
  podServer: new URL('https://stage.stage.svc:10000/'),
  totalBytes: 10 * MiB,
  initImage: 'stage/init:1',
  pullPolicy: 'Never'
}

/** The merged template as Spark would read it. */
function merge(
  text: string,
  containerName?: string,
  more: Partial<StagedBundle> = {},
  role: 'driver' | 'executor' = 'driver'
) {
  const template = text === '' ? {} : parseTemplate(text)
  return parseTemplate(
    printTemplate(mergeTemplate(template, { role, containerName }, { ...bundle, ...more }))
  ) as {
    readonly metadata: { readonly labels: Mapping; readonly annotations?: Mapping }
    readonly spec: {
      readonly containers: readonly Mapping[]
      readonly initContainers: readonly Mapping[]
      readonly volumes: readonly Mapping[]
    }
  }
}

const names = (items: readonly Mapping[]) => items.map(({ name }) => String(name))

t.test('without a template there is a pod with just what is needed', async t => {
  const { metadata, spec } = merge('')

  t.strictSame(metadata, { labels: { 'spark-stage/bundle': bundle.bundleId } })
  t.strictSame(spec.containers, [
    {
      name: 'spark-kubernetes-driver',
      terminationMessagePolicy: 'FallbackToLogsOnError',
      volumeMounts: [{ name: 'spark-stage', mountPath: '/var/spark-stage', readOnly: true }]
    }
  ])
  t.match(spec.initContainers, [
    {
      name: 'spark-stage-init',
      image: 'stage/init:1',
      imagePullPolicy: 'Never',
      env: [
        { name: 'SPARK_STAGE_SERVER', value: 'https://stage.stage.svc:10000' },
        { name: 'SPARK_STAGE_BUNDLE', value: `team-a/${bundle.bundleId}` },
        { name: 'SPARK_STAGE_TOKEN_FILE', value: '/etc/spark-stage/token' },
        { name: 'SPARK_STAGE_INTO', value: '/var/spark-stage' }
      ],
      resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '1', memory: '256Mi' } },
      securityContext: {
        runAsNonRoot: true,
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' }
      },
      terminationMessagePolicy: 'FallbackToLogsOnError'
    }
  ])
  t.match(spec.volumes, [
    { name: 'spark-stage', emptyDir: { sizeLimit: '76Mi' } },
    { name: 'spark-stage-token', projected: { sources: [{ secret: { name: bundle.secretName } }] } }
  ])
  t.equal(names(merge('', undefined, {}, 'executor').spec.containers).join(), 'spark-kubernetes-executor')
})

t.test('the volume has a fifth more than the files, and 64 MiB', async t => {
  t.equal(volumeLimit(0), '64Mi')
  t.equal(volumeLimit(1), '65Mi')
  t.equal(volumeLimit(5 * GiB), `${6 * 1024 + 64}Mi`)
})

t.test('the Spark container is the one that Spark takes', async t => {
  const text = 'spec: {containers: [{name: a}, {name: b}, {name: b2}, {name: b2}]}'
  for (const [wanted, taken] of [
    [undefined, 0],
    ['b', 1],
    ['none', 0],
    ['b2', 0]
  ] as const) {
    const { containers } = merge(text, wanted).spec
    t.strictSame(
      containers.map(({ volumeMounts }) => volumeMounts !== undefined),
      [0, 1, 2, 3].map(at => at === taken),
      String(wanted)
    )
  }
})

t.test('our init container comes after the last native sidecar, or else first', async t => {
  const order = (...items: readonly string[]) =>
    names(merge(`spec: {initContainers: [${items.join(', ')}]}`).spec.initContainers).join(' ')
  const mesh = '{name: mesh, restartPolicy: Always}'

  t.equal(order('{name: a}', '{name: b}'), 'spark-stage-init a b')
  t.equal(order(mesh, '{name: a}'), 'mesh spark-stage-init a')
  t.equal(order('{name: rules}', mesh, '{name: a}'), 'rules mesh spark-stage-init a')
})

t.test('private authorities are an annotation, mounted beside the token', async t => {
  const { metadata, spec } = merge('metadata: {annotations: {a: b}}', undefined, { authorities: 'PEM' })

  t.strictSame(metadata.annotations, { a: 'b', 'spark-stage/ca.crt': 'PEM' })
  const fieldPath = "metadata.annotations['spark-stage/ca.crt']"
  t.match(spec.volumes[1], {
    projected: { sources: [{}, { downwardAPI: { items: [{ path: 'ca.crt', fieldRef: { fieldPath } }] } }] }
  })
  t.match(spec.initContainers[0]?.['env'], [
    {},
    {},
    {},
    {},
    { name: 'SPARK_STAGE_CA_FILE', value: '/etc/spark-stage/ca.crt' }
  ])
})

t.test('a token over plain http is sent because that was asked for', async t => {
  const { spec } = merge('', undefined, { podServer: new URL('http://stage.stage.svc:10000') })
  t.match(spec.initContainers[0]?.['env'], [
    {},
    {},
    {},
    {},
    { name: 'SPARK_STAGE_ALLOW_PLAINTEXT', value: 'true' }
  ])
})

t.test("the user's own termination policy stays", async t => {
  const { containers } = merge('spec: {containers: [{name: a, terminationMessagePolicy: File}]}').spec
  t.equal(containers[0]?.['terminationMessagePolicy'], 'File')
})

t.test('a template that cannot be merged is refused in words', async t => {
  for (const [text, message] of [
    ['kind: Deployment', /expected a Pod, found kind "Deployment"/],
    ['metadata: 7', /expected metadata to have named parts/],
    ['spec: []', /expected spec to have named parts/],
    ['spec: {containers: {}}', /expected spec.containers to be a list/],
    ['spec: {initContainers: [1]}', /expected spec.initContainers to be a list/],
    ['spec: {containers: [{name: spark-stage-init}]}', /a container named spark-stage-init/],
    ['spec: {initContainers: [{name: spark-stage-init}]}', /a container named spark-stage-init/],
    ['spec: {volumes: [{name: spark-stage}]}', /a volume named spark-stage,/],
    ['spec: {volumes: [{name: spark-stage-token}]}', /a volume named spark-stage-token,/],
    ['metadata: {labels: {spark-stage/bundle: x}}', /a label spark-stage\/bundle/],
    ['metadata: {annotations: {spark-stage/ca.crt: x}}', /an annotation spark-stage\/ca.crt/],
    [
      'spec: {containers: [{name: a, volumeMounts: [{mountPath: /var/spark-stage/}]}]}',
      /mounted at \/var\/spark-stage/
    ],
    ['- a', /found something else/],
    ['', /found nothing/],
    ['a: 1\n---\nb: 2', /expected one document, found 2/],
    ['a: [', /this is no YAML: [^\n]* \(1:5\)$/],
    ['a: !!js/function x', /this is no YAML/]
  ] as const) {
    const read = () => mergeTemplate(parseTemplate(text), { role: 'driver' }, bundle)
    t.throws(read, { name: 'TemplateError', message }, text)
  }
})

t.test('words whose meaning depends on the reader stay as they were written', async t => {
  const words = [
    '0444',
    '0o444',
    '1e3',
    '1.10',
    '0x1F',
    '007',
    '1_000',
    '12:30:45',
    '2020-01-02',
    'yes',
    'Off',
    'n',
    '-1',
    '.5',
    '.inf'
  ]

  for (const word of words) {
    t.equal(printTemplate(parseTemplate(`a: ${word}`)), `a: ${word}\n`)
    t.equal(printTemplate(parseTemplate(`a: "${word}"`)), `a: '${word}'\n`)
    t.equal(String(parseTemplate(`a: ${word}`)['a']), word)
  }
  t.strictSame(parseTemplate('{"a": null, "b": true, "c": "x", "d": {"__proto__": []}}')['c'], 'x')
})

const key = fc
  .string({ minLength: 1 })
  .filter(name => !['__proto__', 'kind', 'spec', 'metadata'].includes(name))
const part = fc
  .jsonValue({ maxDepth: 2 })
  .map(
    value =>
      JSON.parse(
        JSON.stringify(value, (_, each) => (typeof each === 'number' ? `n${each}` : each))
      ) as unknown
  )
const extras = fc.dictionary(key, part, { noNullPrototype: true })
const named = (names: readonly string[]) =>
  fc.array(
    fc.tuple(fc.constantFrom(...names), extras).map(([name, more]) => ({ ...more, name })),
    { maxLength: 4 }
  )

/** Arbitrary templates in which nothing is ours. */
const templates = fc
  .record({
    top: extras,
    meta: extras,
    labels: fc.dictionary(key, fc.string(), { noNullPrototype: true }),
    spec: extras,
    containers: named(['a', 'b', 'c']),
    inits: named(['i', 'j']),
    volumes: named(['v', 'w'])
  })
  .map(({ top, meta, labels, spec, containers, inits, volumes }) => ({
    ...top,
    kind: 'Pod',
    metadata: { ...meta, labels },
    spec: {
      ...spec,
      containers: containers.map(({ volumeMounts: _, ...rest }: Mapping) => rest),
      initContainers: inits,
      volumes
    }
  }))

t.test('every field of any template is there afterwards, and lists keep their order', async t => {
  const keepsAll = fc.property(templates, template => {
    const merged = mergeTemplate(template, { role: 'driver', containerName: 'b' }, bundle)
    missing(template, parseTemplate(printTemplate(merged)), '')
  })

  t.doesNotThrow(() => fc.assert(keepsAll, { numRuns: 300 }))
})

/** Throws where something of `mine` is not in `theirs`; of lists, in its order. */
function missing(mine: unknown, theirs: unknown, path: string): void {
  if (Array.isArray(mine)) {
    if (!Array.isArray(theirs)) throw new Error(`no list at ${path}`)
    const ours = new Set(['spark-stage', 'spark-stage-token', 'spark-stage-init', 'spark-kubernetes-driver'])
    const kept = theirs.filter(item => !isMapping(item) || !ours.has(String(item['name'])))
    if (kept.length !== mine.length) throw new Error(`${kept.length} of ${mine.length} at ${path}`)
    for (const [at, item] of mine.entries()) missing(item, kept[at], `${path}[${at}]`)
  } else if (isMapping(mine)) {
    for (const [name, value] of Object.entries(mine))
      missing(value, (theirs as Mapping)[name], `${path}.${name}`)
  } else if (mine instanceof PlainWord ? String(mine) !== String(theirs) : mine !== theirs) {
    throw new Error(`${path}: ${String(mine)} became ${String(theirs)}`)
  }
}
