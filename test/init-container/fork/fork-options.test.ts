import t from 'tap'
import { parseForkOptions } from '../../../init-container/fork/fork-options.ts'
import { parseSparkTime } from '../../../init-container/fork/spark-time.ts'
import { forkKeys } from '../../../shared/fork-keys.ts'

type Properties = Readonly<Partial<Record<keyof typeof forkKeys, string>>>

function parse(properties: Properties) {
  const lines = Object.entries(properties).map(
    ([name, value]) => `${forkKeys[name as keyof typeof forkKeys]}=${value}`
  )
  return parseForkOptions(lines.join('\n'))
}

t.test('the file of an application with jars and files is understood', async t => {
  const options = parse({
    server: 'https://stage:10000',
    jarsId: 'c909a666-9273-4171-a2c7-a02fc0cdd196',
    jarsSecretFile: '/secrets/jars',
    filesId: '11111111-2222-3333-4444-555555555555',
    remoteJars: 'http://repo/a.jar, https://repo/path/b%20c.jar?version=1,',
    filesFolder: '/data/files',
    timeout: '300s',
    tlsEnabled: 'true',
    caFile: '/ca.pem'
  })

  t.match(options, { caFile: '/ca.pem', timeoutMs: 300_000 })
  t.equal(options.folders[0]?.resource?.server.href, 'https://stage:10000/')
  t.match(options.folders, [
    {
      kind: 'jars',
      into: '/var/spark-data/spark-jars',
      resource: { id: 'c909a666-9273-4171-a2c7-a02fc0cdd196', secretFile: '/secrets/jars' },
      remote: [{ name: 'a.jar' }, { name: 'b c.jar' }]
    },
    {
      kind: 'files',
      into: '/data/files',
      resource: { secretFile: '/mnt/secrets/spark-init/downloadSubmittedFilesSecret' },
      remote: []
    }
  ])
})

t.test('an empty file asks for nothing, and needs no server', async t => {
  const options = parse({})

  t.match(options, { caFile: undefined, timeoutMs: 300_000 })
  t.same(
    options.folders.map(({ resource, remote }) => [resource, remote]),
    [
      [undefined, []],
      [undefined, []]
    ]
  )
})

const remote = (remoteFiles: string): Properties => ({ remoteFiles })
const wrong: readonly (readonly [claim: string, properties: Properties, subject: string, found: string])[] = [
  ['no server', { jarsId: 'x' }, forkKeys.server, 'nothing'],
  ['no URL', { jarsId: 'x', server: 'stage' }, forkKeys.server, 'something else'],
  ['another scheme', { jarsId: 'x', server: 'ftp://stage' }, forkKeys.server, 'something else'],
  ['credentials', { jarsId: 'x', server: 'http://me:secret@stage' }, forkKeys.server, 'something else'],
  ['TLS over http', { jarsId: 'x', server: 'http://stage', tlsEnabled: 'true' }, forkKeys.server, 'http'],
  ['a key store', { trustStore: '/trust.jks' }, forkKeys.trustStore, 'a Java key store'],
  ['no time', { timeout: 'soon' }, forkKeys.timeout, '"soon"'],
  ['no time at all', { timeout: '0s' }, forkKeys.timeout, '"0s"'],
  ['for ever', { timeout: '25d' }, forkKeys.timeout, '"25d"'],
  ['hdfs', remote('hdfs://nn/a'), forkKeys.remoteFiles, 'the scheme "hdfs:"'],
  ['a path', remote('/local/a'), forkKeys.remoteFiles, 'something else'],
  ['credentials in a remote URL', remote('http://u:p@h/a'), forkKeys.remoteFiles, 'one with credentials'],
  ['no file name', remote('http://host/dir/'), forkKeys.remoteFiles, 'another on host'],
  ['a file name that leaves', remote('http://host/..%2fx'), forkKeys.remoteFiles, 'another on host'],
  ['a file name that is no text', remote('http://host/%ff'), forkKeys.remoteFiles, 'another on host'],
  ['one name twice', remote('http://a/x,http://b/x'), forkKeys.remoteFiles, 'two for "x"']
]

for (const [claim, properties, subject, found] of wrong) {
  t.test(`${claim} is a usage error that names the key and shows no secret`, async t => {
    try {
      parse(properties)
      t.fail('must throw')
    } catch (error) {
      t.match(error, { failure: { exit: 'usage', subject, found } })
      t.notMatch(String(error), /secret|u:p/)
    }
  })
}

t.test('times are as Spark writes them', async t => {
  for (const [text, ms] of [
    ['5', 300_000],
    ['5m', 300_000],
    ['5min', 300_000],
    ['90s', 90_000],
    ['1500ms', 1500],
    ['2000us', 2],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    [' 1M ', 60_000],
    ['', undefined],
    ['1.5m', undefined],
    ['-1s', undefined],
    ['5 m', undefined],
    ['5y', undefined],
    ['5constructor', undefined]
  ] as const) {
    t.equal(parseSparkTime(text), ms, text)
  }
})
