import { parseArgs } from 'node:util'
import { secondMs } from '../shared/units.ts'
import { version } from '../shared/version.ts'
import { fetchDefaults } from './fetch-bundle.ts'
import { FetchError } from './fetch-error.ts'

/** One row of the table: a flag, the variable that means the same, and what it does. */
export interface OptionRow {
  /** Without the dashes. */
  readonly flag: string
  /** Counts only when the flag is not given; empty means not given. */
  readonly env: `SPARK_STAGE_${string}`
  /** What its value is. A `switch` stands alone on the command line; its variable is `true` or `false`. */
  readonly unit: 'URL' | 'NS/ID' | 'file' | 'folder' | 'count' | 'seconds' | 'switch'
  /** Empty when there is none: the option is then needed, unless its sentence says otherwise. */
  readonly default: string
  readonly sentence: string
}

const { parallelCount, stallMs, giveUpMs } = fetchDefaults

/** Every option there is. The help text, the parser and the documentation are this table. A flag beats its variable. */
export const optionTable = {
  server: {
    flag: 'server',
    env: 'SPARK_STAGE_SERVER',
    unit: 'URL',
    default: '',
    sentence: 'The staging server, http(s)://host[:port][/prefix].'
  },
  bundle: {
    flag: 'bundle',
    env: 'SPARK_STAGE_BUNDLE',
    unit: 'NS/ID',
    default: '',
    sentence: 'The bundle to fetch: its namespace and its id.'
  },
  tokenFile: {
    flag: 'token-file',
    env: 'SPARK_STAGE_TOKEN_FILE',
    unit: 'file',
    default: '',
    sentence: 'File with the download token of the bundle, one line.'
  },
  into: {
    flag: 'into',
    env: 'SPARK_STAGE_INTO',
    unit: 'folder',
    default: '',
    sentence: 'The staging directory: where the files are laid out, for this bundle alone.'
  },
  caFile: {
    flag: 'ca-file',
    env: 'SPARK_STAGE_CA_FILE',
    unit: 'file',
    default: '',
    sentence:
      'Optional PEM file of the only authorities to trust for https, in place of those that Node trusts.'
  },
  parallelCount: {
    flag: 'parallel',
    env: 'SPARK_STAGE_PARALLEL_COUNT',
    unit: 'count',
    default: `${parallelCount}`,
    sentence: 'How many files are fetched at the same time, 1 to 64.'
  },
  stallSeconds: {
    flag: 'stall-seconds',
    env: 'SPARK_STAGE_STALL_SECONDS',
    unit: 'seconds',
    default: `${stallMs / secondMs}`,
    sentence: 'A connection that brings no byte for this long is dropped, and the rest is asked for again.'
  },
  giveUpSeconds: {
    flag: 'give-up-seconds',
    env: 'SPARK_STAGE_GIVE_UP_SECONDS',
    unit: 'seconds',
    default: `${giveUpMs / secondMs}`,
    sentence:
      'The program gives up once a file got no new byte for this long, however often it was asked for.'
  },
  terminationLog: {
    flag: 'termination-log',
    env: 'SPARK_STAGE_TERMINATION_LOG',
    unit: 'file',
    default: '/dev/termination-log',
    sentence: 'Where the last error is written for Kubernetes to show; below /dev only when the file exists.'
  },
  allowPlaintext: {
    flag: 'allow-plaintext',
    env: 'SPARK_STAGE_ALLOW_PLAINTEXT',
    unit: 'switch',
    default: 'false',
    sentence: 'Send the token over plain http to a host other than loopback, where others may read it.'
  }
} as const satisfies Readonly<Record<string, OptionRow>>

/** The key of an option in {@link optionTable}. */
export type OptionName = keyof typeof optionTable

/** All keys of {@link optionTable}, in its order. */
export const optionNames = Object.keys(optionTable) as readonly OptionName[]

/** What each option was given, or its default; empty when it has neither. None is a secret. */
export type OptionValues = Readonly<Record<OptionName, string>>

/**
 * Reads flags and variables; what they say is not checked yet.
 *
 * @returns the text that the command line asks for, when that is all it asks for: the help or the version
 * @throws FetchError `usage` for a flag that does not exist or lacks its value
 */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): OptionValues | string {
  const flags = parseFlags(args)
  if (flags.help === true) return helpText()
  if (flags.version === true) return `${version}\n`
  const valueFor = (name: OptionName): string => {
    const row = optionTable[name]
    return `${flags[row.flag] ?? (env[row.env] || row.default)}`
  }
  return Object.fromEntries(optionNames.map(name => [name, valueFor(name)])) as OptionValues
}

/** The table for people. */
function helpText(): string {
  const rows: readonly OptionRow[] = Object.values(optionTable)
  const lines = rows.map(({ flag, env, unit, default: preset, sentence }) => {
    const value = unit === 'switch' ? '' : ` <${unit}>`
    return `  --${flag}${value}\n      ${sentence}\n      ${env}${preset === '' ? '' : `, default ${preset}`}\n`
  })
  const use = 'spark-stage-init --server URL --bundle NS/ID --token-file FILE --into DIR [options]'
  const fork =
    'Or, in the place of the init image of the apache-spark-on-k8s fork: spark-stage-init FILE.properties'
  return `${use}\n\nFetches the files of one bundle, checks them and lays them out.\n\n${lines.join('')}\n${fork}\n`
}

function parseFlags(
  args: readonly string[]
): Readonly<Record<string, unknown>> & { readonly help?: unknown; readonly version?: unknown } {
  const options = Object.values(optionTable).map(({ flag, unit }) => {
    return [flag, { type: unit === 'switch' ? 'boolean' : 'string' }] as const
  })
  try {
    const onlyAsks = { type: 'boolean' } as const
    const config = { ...Object.fromEntries(options), help: onlyAsks, version: onlyAsks } as const
    const { values, positionals } = parseArgs({ args: [...args], options: config, allowPositionals: true })
    // A stray argument may be a token that lost its flag: it is counted, not shown.
    if (positionals.length > 0) throw new Error(`${positionals.length} arguments without a flag`)
    return values
  } catch (cause) {
    const found = (cause as Error).message
    throw new FetchError(
      { exit: 'usage', subject: 'command line', expected: 'the flags of --help', found },
      cause
    )
  }
}
