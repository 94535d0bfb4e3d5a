import t from 'tap'
import { fileFlagTable, optionTable } from '../../client/option-table.ts'
import {
  readBundlesOptions,
  readDoctorOptions,
  readGetOptions,
  readListOptions,
  readPutOptions,
  readTokenOptions
} from '../../client/options.ts'

const selections = [{ kind: 'jars', flag: '--jar', text: 'a.jar' }] as const
const bundleId = '0123456789abcdef0123456789abcdef'
const loopback = { server: 'http://127.0.0.1:10000', namespace: 'team-a' }

t.test('a flag wins over its variable, a variable over the default, and an empty one is none', async t => {
  const env = {
    SPARK_STAGE_SERVER: 'https://stage',
    SPARK_STAGE_NAMESPACE: 'of-env',
    SPARK_STAGE_CA_FILE: ''
  }

  const options = readPutOptions({ namespace: 'of-flag' }, selections, env)

  t.match(options, {
    namespace: 'of-flag',
    parallelCount: 4,
    giveUpMs: 300_000,
    allowPlaintext: false,
    json: false,
    tokenOut: './spark-stage-<id>.token',
    selections
  })
  t.equal(options.server.href, 'https://stage/')
  t.equal(options.caFile, undefined)
})

t.test('get takes its bundle apart', async t => {
  const flags = {
    ...loopback,
    bundle: `team-a/${bundleId}`,
    'token-file': 't',
    into: 'd',
    json: true
  } as const

  const options = readGetOptions(flags, {})

  t.match(options, { namespace: 'team-a', bundleId, tokenFile: 't', into: 'd', json: true })
})

t.test('bundles are named by namespace and id', async t => {
  const name = `team-a/${bundleId}`

  const options = readBundlesOptions('rm', loopback, [name, name], {})
  const token = readTokenOptions({ ...loopback, 'token-out': 'out' }, name, {})

  t.strictSame(options.bundles, Array(2).fill({ namespace: 'team-a', bundleId }))
  t.match(token, { bundle: { namespace: 'team-a', bundleId }, tokenOut: 'out' })
  t.equal(readListOptions(loopback, {}).namespace, 'team-a')
  t.throws(() => readBundlesOptions('rm', loopback, [name, bundleId], {}), {
    exitCause: 'usage',
    message: /^the bundle cannot be used\n {2}expected: NAMESPACE\/ID/
  })
})

t.test('doctor needs a namespace or a bundle with its token', async t => {
  const { server } = loopback
  const bundle = `team-a/${bundleId}`

  t.match(readDoctorOptions({ server, bundle, 'token-file': 't' }, {}), {
    namespace: undefined,
    download: { bundle: { namespace: 'team-a', bundleId }, tokenFile: 't' }
  })
  t.match(readDoctorOptions({ ...loopback, server: 'http://stage.example' }, {}), { download: undefined })
  t.throws(() => readDoctorOptions({ server }, {}), { message: /--namespace is missing/ })
  t.throws(() => readDoctorOptions({ server, bundle }, {}), { message: /--token-file is missing/ })
})

t.test('plain http to another host is refused unless it is allowed', async t => {
  const flags = { ...loopback, server: 'http://stage.example' }

  t.throws(() => readPutOptions(flags, selections, {}), {
    exitCause: 'usage',
    message: /expected: https, or http to a loop/
  })
  t.throws(() => readPutOptions(flags, selections, { SPARK_STAGE_ALLOW_PLAINTEXT: 'false' }), {
    exitCause: 'usage',
    message: /--server/
  })
  t.ok(readPutOptions(flags, selections, { SPARK_STAGE_ALLOW_PLAINTEXT: 'true' }).allowPlaintext)
  t.ok(readPutOptions({ ...flags, 'allow-plaintext': true }, selections, {}).allowPlaintext)
})

t.test('a wrong value is refused with what was expected', async t => {
  const cases = [
    [{ server: 'stage:10000' }, /--server: expected http:.*, https:.* or k8s:.*, found "stage:10000"/],
    [{ server: 'stage' }, /--server: expected/],
    [{ server: 'https://stage/?x=1' }, /--server: expected/],
    [{ server: 'k8s://stage' }, /--server: expected k8s:\/\/NAMESPACE\/SERVICE/],
    [{ namespace: 'Default' }, /--namespace: The namespace is not a DNS label/],
    [{ parallel: '0' }, /expected: a whole number from 1 to 64/],
    [{ parallel: '65' }, /found: "65"/],
    [{ 'give-up-seconds': '1.5' }, /found: "1.5"/],
    [{ namespace: undefined }, /--namespace is missing: give it, or set SPARK_STAGE_NAMESPACE/]
  ] as const
  for (const [flags, message] of cases) {
    t.throws(() => readPutOptions({ ...loopback, ...flags }, selections, {}), { exitCause: 'usage', message })
  }
  t.throws(() => readPutOptions(loopback, selections, { SPARK_STAGE_ALLOW_PLAINTEXT: 'yes' }), {
    message: /true or false/
  })
  t.throws(() => readPutOptions(loopback, [], {}), { message: /nothing to stage: give/ })
  t.throws(() => readBundlesOptions('rm', loopback, [], {}), {
    message: /no bundle is named: spark-stage rm/
  })
  for (const bundle of [bundleId, `team-a/${bundleId}/x`, 'team-a/1', `Team/${bundleId}`]) {
    t.throws(() => readGetOptions({ ...loopback, bundle, 'token-file': 't', into: 'd' }, {}), {
      exitCause: 'usage',
      message: /--bundle/
    })
  }
})

t.test('a password in the URL is refused and not repeated', async t => {
  try {
    readPutOptions({ ...loopback, server: 'https://user:hunter2@stage' }, selections, {})
    t.fail('expected an error')
  } catch (error) {
    t.match(error, { exitCause: 'usage', message: /secrets come from files/ })
    t.notMatch((error as Error).message, 'hunter2')
  }
})

t.test('the tables name every flag once and say a sentence about it', async t => {
  const rows = [...optionTable, ...fileFlagTable]

  t.equal(new Set(rows.map(({ flag }) => flag)).size, rows.length)
  for (const { flag, sentence } of rows) t.match(sentence, /^[A-Z].*\.$/, flag)
})
