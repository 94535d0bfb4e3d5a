import { readFile } from 'node:fs/promises'
import t from 'tap'
import { checkOptions } from '../../init-container/check-options.ts'
import { type Failure, FetchError } from '../../init-container/fetch-error.ts'
import { optionNames, optionTable, readOptions } from '../../init-container/options.ts'
import { bundleId } from './fake-server.ts'

const required = [
  '--server',
  'https://stage:1',
  '--bundle',
  `ns/${bundleId}`,
  '--token-file',
  '/t',
  '--into',
  '/i'
]

function read(args: readonly string[], env: NodeJS.ProcessEnv = {}): ReturnType<typeof checkOptions> {
  const values = readOptions(args, env)
  if (typeof values === 'string') throw new Error('asked for help')
  return checkOptions(values)
}

function failureOf(args: readonly string[]): Failure {
  try {
    read(args)
  } catch (error) {
    if (error instanceof FetchError) return error.failure
  }
  throw new Error('no FetchError')
}

t.test('the required options are enough, the others have defaults', async t => {
  t.same(read(required), {
    server: new URL('https://stage:1'),
    namespace: 'ns',
    bundleId,
    tokenFile: '/t',
    into: '/i',
    caFile: undefined,
    parallelCount: 4,
    stallMs: 30_000,
    giveUpMs: 900_000,
    allowPlaintext: false
  })
})

t.test('every option can be a variable', async t => {
  const env = {
    SPARK_STAGE_SERVER: 'http://stage:2/x',
    SPARK_STAGE_BUNDLE: `ns/${bundleId}`,
    SPARK_STAGE_TOKEN_FILE: '/token',
    SPARK_STAGE_INTO: '/into',
    SPARK_STAGE_CA_FILE: '/ca',
    SPARK_STAGE_PARALLEL_COUNT: '64',
    SPARK_STAGE_STALL_SECONDS: '0.5',
    SPARK_STAGE_GIVE_UP_SECONDS: '2',
    SPARK_STAGE_TERMINATION_LOG: '/log',
    SPARK_STAGE_ALLOW_PLAINTEXT: 'true'
  }

  t.same(read([], env), {
    server: new URL('http://stage:2/x'),
    namespace: 'ns',
    bundleId,
    tokenFile: '/token',
    into: '/into',
    caFile: '/ca',
    parallelCount: 64,
    stallMs: 500,
    giveUpMs: 2000,
    allowPlaintext: true
  })
  t.match(readOptions([], env), { terminationLog: '/log' })
  t.same(
    Object.keys(env),
    Object.values(optionTable).map(row => row.env)
  )
})

t.test('a flag beats its variable, and an empty variable counts as not given', async t => {
  const env = { SPARK_STAGE_PARALLEL_COUNT: '7', SPARK_STAGE_STALL_SECONDS: '' }

  const options = read([...required, '--parallel', '8', '--allow-plaintext'], env)

  t.match(options, { parallelCount: 8, stallMs: 30_000, allowPlaintext: true })
})

t.test('a wrong value is refused with what was expected and found', async t => {
  for (const [flag, value, expected] of [
    ['server', 'stage:10000', 'found "stage:10000"'],
    ['server', 'not a URL', 'found "not a URL"'],
    ['server', 'ftp://stage', 'found "ftp://stage"'],
    ['server', 'http://stage/?x=1', 'found "http://stage/?x=1"'],
    ['server', 'http://stage/#x', 'found "http://stage/#x"'],
    ['server', 'http://user:secret@stage', 'found something else'],
    ['bundle', bundleId, `found "${bundleId}"`],
    ['bundle', `../${bundleId}`, 'found "../'],
    ['bundle', `ns/${bundleId}/x`, 'found "ns/'],
    ['bundle', 'ns/X', 'found "ns/X"'],
    ['token-file', '', 'found nothing'],
    ['into', 'a\0b', 'found "a\\u0000b"'],
    ['parallel', '0', 'a whole number from 1 to 64, found "0"'],
    ['parallel', '65', 'found "65"'],
    ['parallel', '1.5', 'found "1.5"'],
    ['stall-seconds', '0', 'more than 0 and at most 86400 seconds, found "0"'],
    ['stall-seconds', '1e9', 'found "1e9"'],
    ['give-up-seconds', '86401', 'found "86401"'],
    ['give-up-seconds', '-1', 'found "-1"']
  ] as const) {
    const failure = failureOf([...required, `--${flag}=${value}`])

    t.equal(failure.exit, 'usage')
    t.match(failure.found, `--${flag} (`)
    t.match(failure.found, expected)
    t.notMatch(failure.found, 'secret')
  }
  t.throws(() => read(required, { SPARK_STAGE_ALLOW_PLAINTEXT: 'yes' }), {
    message: /expected true or false, found "yes"/
  })
})

t.test('one error names every wrong option', async t => {
  t.throws(() => read(['--parallel', 'x']), {
    message:
      /--server \(SPARK_STAGE_SERVER\).*--bundle .*--token-file .*--into .*--parallel \(SPARK_STAGE_PARALLEL_COUNT\)/
  })
})

t.test('a command line that cannot be read is refused without showing stray arguments', async t => {
  for (const [args, found] of [
    [['--token', 'secret'], "Unknown option '--token'"],
    [['secret', 'again'], '2 arguments without a flag'],
    [['--server'], "Option '--server <value>' argument missing"]
  ] as const) {
    const failure = failureOf(args)

    t.match(failure, { exit: 'usage', subject: 'command line', found })
    t.notMatch(failure.found, 'secret')
  }
})

t.test('the help names every flag, variable and default', async t => {
  const help = readOptions(['--help'], {})

  for (const name of optionNames) {
    const { flag, env, default: preset, sentence } = optionTable[name]
    t.match(help, `--${flag}`)
    t.match(help, env)
    t.match(help, sentence)
    if (preset !== '') t.match(help, `default ${preset}`)
  }
})

t.test('the version is the one of package.json', async t => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))

  t.equal(readOptions(['--version'], {}), `${version}\n`)
})
