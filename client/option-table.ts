import type { Kind } from '../shared/names.ts'

/** Every command that asks a server as an uploader, and so needs to know its credential. */
const uploaders = ['put', 'ls', 'rm', 'renew', 'token', 'doctor', 'submit'] as const
const patient = ['put', 'get', 'ls', 'rm', 'renew', 'token'] as const
const all = [...patient, 'doctor', 'submit'] as const

/** Which command an option belongs to. */
export type CommandName = (typeof all)[number]

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
  readonly sentence: string
}

/** Every option of `spark-stage` that takes no files to stage. */
export const optionTable = [
  {
    commands: all,
    flag: '--server',
    value: 'URL',
    variable: 'SPARK_STAGE_SERVER',
    unit: 'URL',
    sentence:
      'The staging server: http://HOST:PORT, https://HOST:PORT, or k8s://NAMESPACE/SERVICE[:PORT] through the API server.'
  },
  {
    commands: ['put', 'ls', 'rm', 'doctor'],
    flag: '--namespace',
    value: 'NS',
    variable: 'SPARK_STAGE_NAMESPACE',
    unit: 'DNS label',
    sentence: 'The Kubernetes namespace that the application runs in.'
  },
  {
    commands: uploaders,
    flag: '--upload-token-file',
    value: 'FILE',
    variable: 'SPARK_STAGE_UPLOAD_TOKEN_FILE',
    unit: 'path',
    sentence: 'File with the upload credential; leave it out for a server with upload identity "none".'
  },
  {
    commands: ['get', 'doctor'],
    flag: '--bundle',
    value: 'NS/ID',
    variable: 'SPARK_STAGE_BUNDLE',
    unit: 'namespace/id',
    sentence: 'The bundle to fetch or to examine, as "put" printed it.'
  },
  {
    commands: ['get', 'doctor'],
    flag: '--token-file',
    value: 'FILE',
    variable: 'SPARK_STAGE_TOKEN_FILE',
    unit: 'path',
    sentence: 'File with the download token of this bundle, as "put" wrote it.'
  },
  {
    commands: ['get'],
    flag: '--into',
    value: 'DIR',
    variable: 'SPARK_STAGE_INTO',
    unit: 'path',
    sentence: 'Directory to lay the files out in; it is made when it does not exist.'
  },
  {
    commands: all,
    flag: '--ca-file',
    value: 'FILE',
    variable: 'SPARK_STAGE_CA_FILE',
    unit: 'path',
    sentence: 'PEM file of the only authorities to trust for https, in place of the well-known ones.'
  },
  {
    commands: all,
    flag: '--allow-plaintext',
    variable: 'SPARK_STAGE_ALLOW_PLAINTEXT',
    unit: 'true or false',
    defaultValue: 'false',
    sentence:
      'Let credentials and tokens cross the network readable: plain http to a host other than loopback.'
  },
  {
    commands: ['put', 'token'],
    flag: '--token-out',
    value: 'FILE',
    unit: 'path',
    defaultValue: './spark-stage-<id>.token',
    sentence:
      'Where the download token is written, readable by you alone; <id> stands for the id of the bundle.'
  },
  {
    commands: ['put', 'get', 'submit'],
    flag: '--parallel',
    value: 'N',
    unit: 'count',
    defaultValue: '4',
    sentence: 'Files sent or fetched at the same time, 1 to 64.'
  },
  {
    commands: [...patient, 'submit'],
    flag: '--give-up-seconds',
    value: 'N',
    unit: 'seconds',
    defaultValue: '300',
    sentence: 'How long to go on asking when nothing goes forward.'
  },
  {
    commands: uploaders,
    flag: '--service-account',
    value: 'NAME',
    variable: 'SPARK_STAGE_SERVICE_ACCOUNT',
    unit: 'name',
    sentence:
      "Service account whose token is the upload credential of a server behind k8s://; submit takes the driver's, the others take default."
  },
  {
    commands: uploaders,
    flag: '--audience',
    value: 'TEXT',
    variable: 'SPARK_STAGE_AUDIENCE',
    unit: 'text',
    defaultValue: 'spark-stage',
    sentence: "What such a token is for: the server's SPARK_STAGE_INSTANCE."
  },
  {
    commands: ['rm'],
    flag: '--orphans',
    unit: 'true or false',
    defaultValue: 'false',
    sentence:
      'Remove from --namespace the expired Secrets that submissions left which never had a driver; asks Kubernetes, not the server.'
  },
  {
    commands: ['submit'],
    flag: '--spark-submit',
    value: 'FILE',
    unit: 'path',
    sentence: 'The spark-submit to run, in place of the one in SPARK_HOME or on the PATH.'
  },
  {
    commands: ['submit'],
    flag: '--dry-run',
    unit: 'true or false',
    defaultValue: 'false',
    sentence: 'Print what would be staged, the command and the pod templates, and touch nothing.'
  },
  {
    commands: all,
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
