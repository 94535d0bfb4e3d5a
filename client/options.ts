import { isPlaintext } from '../shared/loopback.ts'
import { checkNamespace, isBundleId } from '../shared/names.ts'
import { secondMs } from '../shared/units.ts'
import { checkNamed, describe, usageError } from './client-error.ts'
import type { Selection } from './local-files.ts'
import { type CommandName, type OptionRow, optionTable } from './option-table.ts'

/** What both commands know. Times are milliseconds. */
export interface CommonOptions {
  readonly server: URL
  readonly caFile?: string | undefined
  readonly allowPlaintext: boolean
  readonly parallelCount: number
  readonly giveUpMs: number
  readonly json: boolean
}

/** What `put` is to do. */
export interface PutOptions extends CommonOptions {
  readonly namespace: string
  readonly uploadTokenFile?: string | undefined
  /** `<id>` in it stands for the bundle's id. */
  readonly tokenOut: string
  readonly selections: readonly Selection[]
}

/** What `get` is to do. */
export interface GetOptions extends CommonOptions {
  readonly namespace: string
  readonly bundleId: string
  readonly tokenFile: string
  readonly into: string
}

/** The flags of a command line by name without dashes (`token-out`); a switch is `true`. */
export type Flags = Readonly<Record<string, string | true | undefined>>

/**
 * The options of `put`: a flag wins over its variable, a variable over the default.
 *
 * @throws ClientError (usage) that names the first option that is missing or wrong
 */
export function readPutOptions(
  flags: Flags,
  selections: readonly Selection[],
  env = process.env
): PutOptions {
  const read = reader('put', flags, env)
  if (selections.length === 0) {
    throw usageError('nothing to stage: give at least one of --app, --jar, --py-file, --file, --archive')
  }
  return Object.freeze({
    ...readCommon(read),
    namespace: readNamespace(read.text('--namespace'), '--namespace'),
    uploadTokenFile: read.optional('--upload-token-file'),
    tokenOut: read.text('--token-out'),
    selections
  })
}

/** The options of `get`, read as those of `put`. @throws ClientError (usage) */
export function readGetOptions(flags: Flags, env = process.env): GetOptions {
  const read = reader('get', flags, env)
  const bundle = read.text('--bundle')
  const [namespace = '', bundleId = '', ...rest] = bundle.split('/')
  if (!isBundleId(bundleId) || rest.length > 0)
    throw wrong('--bundle', 'NAMESPACE/ID, the id of 32 hex digits', bundle)
  return Object.freeze({
    ...readCommon(read),
    namespace: readNamespace(namespace, '--bundle'),
    bundleId,
    tokenFile: read.text('--token-file'),
    into: read.text('--into')
  })
}

/** A server as people write it, without a slash at its end. */
export function serverName(url: URL): string {
  return url.href.replace(/\/$/, '')
}

interface Reader {
  optional(flag: string): string | undefined
  text(flag: string): string
}

function reader(command: CommandName, flags: Flags, env: NodeJS.ProcessEnv): Reader {
  const rows: ReadonlyMap<string, OptionRow> = new Map(optionTable.map(row => [row.flag, row]))
  const optional = (flag: string) => {
    // Every flag asked for below is a row of the table.
    const { variable, defaultValue } = rows.get(flag) as OptionRow
    const value = flags[flag.slice(2)] ?? (variable === undefined ? undefined : env[variable])
    return value === '' || value === undefined ? defaultValue : String(value)
  }
  const text = (flag: string) => {
    const value = optional(flag)
    if (value !== undefined) return value
    throw usageError(
      `${flag} is missing: give it, or set ${rows.get(flag)?.variable}; see spark-stage ${command} --help`
    )
  }
  return { optional, text }
}

function readCommon(read: Reader): CommonOptions {
  const server = readServer(read.text('--server'))
  const allowPlaintext = readSwitch(read, '--allow-plaintext')
  if (isPlaintext(server) && !allowPlaintext) {
    throw usageError(
      describe('--server: credentials and tokens would cross the network readable', {
        expected: 'https, or http to a loopback address',
        found: server.href,
        todo: 'Use https, or say --allow-plaintext when the network between is yours alone.'
      })
    )
  }
  return {
    server,
    allowPlaintext,
    caFile: read.optional('--ca-file'),
    parallelCount: readCount(read, '--parallel', 64),
    giveUpMs: readCount(read, '--give-up-seconds', 86_400) * secondMs,
    json: readSwitch(read, '--json')
  }
}

function readServer(text: string): URL {
  const url = URL.parse(text)
  const plain = url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === ''
  if (!plain) throw wrong('--server', 'http://HOST:PORT or https://HOST:PORT', text)
  if (url.username === '' && url.password === '') return url
  // Not shown: it holds a secret.
  throw usageError('--server: expected no user name and no password in the URL; secrets come from files')
}

function readNamespace(text: string, flag: string): string {
  return checkNamed(flag, () => checkNamespace(text))
}

function readSwitch(read: Reader, flag: string): boolean {
  const value = read.text(flag)
  if (value === 'true' || value === 'false') return value === 'true'
  throw wrong(flag, 'true or false', value)
}

function readCount(read: Reader, flag: string, highest: number): number {
  const value = read.text(flag)
  if (/^[1-9]\d{0,8}$/.test(value) && Number(value) <= highest) return Number(value)
  throw wrong(flag, `a whole number from 1 to ${highest}`, value)
}

function wrong(flag: string, expected: string, found: string): Error {
  return usageError(describe(`${flag} cannot be used`, { expected, found: JSON.stringify(found) }))
}
