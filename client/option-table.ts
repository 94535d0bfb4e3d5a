import type { Kind } from '../shared/names.ts'

/** Which command an option belongs to. */
export type CommandName = 'put' | 'get'

/** One option. Every text here is documentation: `--help` prints it and `docs/configuration.md` repeats it. */
export interface OptionRow {
  readonly commands: readonly CommandName[]
  readonly flag: `--${string}`
  /** What stands for the value in `--help`; a switch has none. */
  readonly value?: string
  /** The environment variable that is read when the flag is absent. An empty one counts as absent. */
  readonly variable?: `SPARK_STAGE_${string}`
  readonly unit: string
  /** In the option's own unit; absent means there is none. */
  readonly defaultValue?: string
  readonly required?: true
  readonly sentence: string
}

/** Every option of `spark-stage put` and `spark-stage get` that takes no files to stage. */
export const optionTable = [
  {
    commands: ['put', 'get'],
    flag: '--server',
    value: 'URL',
    variable: 'SPARK_STAGE_SERVER',
    unit: 'URL',
    required: true,
    sentence: 'The staging server, http://HOST:PORT or https://HOST:PORT.'
  },
  {
    commands: ['put'],
    flag: '--namespace',
    value: 'NS',
    variable: 'SPARK_STAGE_NAMESPACE',
    unit: 'DNS label',
    required: true,
    sentence: 'The Kubernetes namespace that the application will run in.'
  },
  {
    commands: ['put'],
    flag: '--upload-token-file',
    value: 'FILE',
    variable: 'SPARK_STAGE_UPLOAD_TOKEN_FILE',
    unit: 'path',
    sentence: 'File with the upload credential; leave it out for a server with upload identity "none".'
  },
  {
    commands: ['get'],
    flag: '--bundle',
    value: 'NS/ID',
    variable: 'SPARK_STAGE_BUNDLE',
    unit: 'namespace/id',
    required: true,
    sentence: 'The bundle to fetch, as "put" printed it.'
  },
  {
    commands: ['get'],
    flag: '--token-file',
    value: 'FILE',
    variable: 'SPARK_STAGE_TOKEN_FILE',
    unit: 'path',
    required: true,
    sentence: 'File with the download token of this bundle, as "put" wrote it.'
  },
  {
    commands: ['get'],
    flag: '--into',
    value: 'DIR',
    variable: 'SPARK_STAGE_INTO',
    unit: 'path',
    required: true,
    sentence: 'Directory to lay the files out in; it is made when it does not exist.'
  },
  {
    commands: ['put', 'get'],
    flag: '--ca-file',
    value: 'FILE',
    variable: 'SPARK_STAGE_CA_FILE',
    unit: 'path',
    sentence: 'PEM file of the only authorities to trust for https, in place of the well-known ones.'
  },
  {
    commands: ['put', 'get'],
    flag: '--allow-plaintext',
    variable: 'SPARK_STAGE_ALLOW_PLAINTEXT',
    unit: 'true or false',
    defaultValue: 'false',
    sentence:
      'Let credentials and tokens cross the network readable: plain http to a host other than loopback.'
  },
  {
    commands: ['put'],
    flag: '--token-out',
    value: 'FILE',
    unit: 'path',
    defaultValue: './spark-stage-<id>.token',
    sentence:
      'Where the download token is written, readable by you alone; <id> stands for the id of the bundle.'
  },
  {
    commands: ['put', 'get'],
    flag: '--parallel',
    value: 'N',
    unit: 'count',
    defaultValue: '4',
    sentence: 'Files sent or fetched at the same time, 1 to 64.'
  },
  {
    commands: ['put', 'get'],
    flag: '--give-up-seconds',
    value: 'N',
    unit: 'seconds',
    defaultValue: '300',
    sentence: 'How long to go on asking when nothing goes forward.'
  },
  {
    commands: ['put', 'get'],
    flag: '--json',
    unit: 'true or false',
    defaultValue: 'false',
    sentence: 'Print one JSON object and nothing else.'
  }
] as const satisfies readonly OptionRow[]

/** One flag that selects files to stage; each may be given many times, and their order is kept. */
export interface FileFlagRow {
  readonly flag: `--${string}`
  readonly value: string
  readonly kind: Kind
  readonly sentence: string
}

/** How `put` is told what to stage. Paths may be patterns, quoted so that the shell leaves them alone. */
export const fileFlagTable = [
  { flag: '--app', value: 'FILE', kind: 'app', sentence: 'The application itself: the main script or jar.' },
  {
    flag: '--jar',
    value: 'FILE',
    kind: 'jars',
    sentence: 'A jar for the class path of driver and executors.'
  },
  {
    flag: '--py-file',
    value: 'FILE',
    kind: 'pyFiles',
    sentence: 'A .py, .zip or .egg file for the Python path.'
  },
  {
    flag: '--file',
    value: 'FILE[#ALIAS]',
    kind: 'files',
    sentence: 'A file for the working directory, seen there as ALIAS.'
  },
  {
    flag: '--archive',
    value: 'FILE[#ALIAS]',
    kind: 'archives',
    sentence: 'An archive that Spark unpacks into the directory ALIAS.'
  }
] as const satisfies readonly FileFlagRow[]
