import { isPlaintext } from '../shared/loopback.ts'
import { secondMs } from '../shared/units.ts'
import { describe, usageError } from './client-error.ts'
import type { Selection } from './local-files.ts'
import type { CommandName } from './option-table.ts'
import {
  type BundleName,
  type Flags,
  type OptionReader,
  openReader,
  parseBundleName,
  parseNamespace,
  parseServer
} from './option-values.ts'
import { proxyFor } from './proxy.ts'

/** Which server a command talks to, and how. */
export interface ServerAddress {
  readonly server: URL
  readonly caFile?: string | undefined
  readonly allowPlaintext: boolean
  /** Absent when the server is asked directly. It may hold a password: only its `host` is ever shown. */
  readonly proxy?: URL | undefined
  /** Where the proxy to an API server is named. */
  readonly environment: NodeJS.ProcessEnv
}

/** What all commands know that go on asking. Times are milliseconds. */
export interface CommonOptions extends ServerAddress {
  readonly giveUpMs: number
  readonly json: boolean
}

/** What all commands of uploaders know. */
export interface UploaderOptions extends CommonOptions {
  readonly uploadTokenFile?: string | undefined
  /** Whose token proves who uploads when no file does; absent: `default`. */
  readonly serviceAccount?: string | undefined
  /** What such a token is for. */
  readonly audience: string
}

/** What `put` is to do. */
export interface PutOptions extends UploaderOptions {
  readonly namespace: string
  readonly parallelCount: number
  /** `<id>` in it stands for the bundle's id. */
  readonly tokenOut: string
  readonly selections: readonly Selection[]
}

/** What `get` is to do. */
export interface GetOptions extends CommonOptions, BundleName {
  readonly parallelCount: number
  readonly tokenFile: string
  readonly into: string
}

/** What `ls` is to do. */
export interface ListOptions extends UploaderOptions {
  readonly namespace: string
}

/** What `rm` and `renew` are to do. */
export interface BundlesOptions extends UploaderOptions {
  /** The first bundle's: where the right to upload is asked for. */
  readonly namespace: string
  readonly bundles: readonly BundleName[]
}

/** What `rm --orphans` is to do. */
export interface OrphansOptions {
  readonly namespace: string
  readonly environment: NodeJS.ProcessEnv
  readonly json: boolean
}

/** What `token` is to do. */
export interface TokenOptions extends UploaderOptions {
  readonly bundle: BundleName
  /** `<id>` in it stands for the bundle's id. */
  readonly tokenOut: string
}

/** What `doctor` is to examine. */
export interface DoctorOptions extends ServerAddress {
  /** Absent when only a bundle is to be examined. */
  readonly namespace?: string | undefined
  readonly uploadTokenFile?: string | undefined
  /** As for the other commands of uploaders. */
  readonly serviceAccount?: string | undefined
  readonly audience: string
  readonly download?: { readonly bundle: BundleName; readonly tokenFile: string } | undefined
}

/** What `submit` is to do. */
export interface SubmitOptions {
  /** What follows `--`: spark-submit's own arguments. */
  readonly args: readonly string[]
  /** As it was written: the properties may name another, and it may be a Service behind `k8s://`. */
  readonly server?: string | undefined
  readonly caFile?: string | undefined
  readonly allowPlaintext: boolean
  readonly uploadTokenFile?: string | undefined
  readonly serviceAccount?: string | undefined
  readonly audience: string
  readonly sparkSubmit?: string | undefined
  readonly parallelCount: number
  readonly giveUpMs: number
  readonly dryRun: boolean
  readonly json: boolean
  /** The user's own, which spark-submit gets whole. */
  readonly environment: NodeJS.ProcessEnv
  readonly workingDirectory: string
  readonly isTerminal: boolean
}

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
  const read = openReader('put', flags, env)
  if (selections.length === 0) {
    throw usageError('nothing to stage: give at least one of --app, --jar, --py-file, --file, --archive')
  }
  return Object.freeze({
    ...readUploader(read, env),
    namespace: parseNamespace(read.text('--namespace'), '--namespace'),
    parallelCount: read.count('--parallel', 64),
    tokenOut: read.text('--token-out'),
    selections
  })
}

/** The options of `get`, read as those of `put`. @throws ClientError (usage) */
export function readGetOptions(flags: Flags, env = process.env): GetOptions {
  const read = openReader('get', flags, env)
  return Object.freeze({
    ...parseBundleName(read.text('--bundle'), '--bundle'),
    ...readCommon(read, env),
    parallelCount: read.count('--parallel', 64),
    tokenFile: read.text('--token-file'),
    into: read.text('--into')
  })
}

/** The options of `ls`, read as those of `put`. @throws ClientError (usage) */
export function readListOptions(flags: Flags, env = process.env): ListOptions {
  const read = openReader('ls', flags, env)
  const namespace = parseNamespace(read.text('--namespace'), '--namespace')
  return Object.freeze({ ...readUploader(read, env), namespace })
}

/**
 * The options of `rm` and `renew`, read as those of `put`.
 *
 * @param names `NS/ID` each
 * @throws ClientError (usage)
 */
export function readBundlesOptions(
  command: CommandName,
  flags: Flags,
  names: readonly string[],
  env = process.env
): BundlesOptions {
  const bundles = names.map(name => parseBundleName(name, 'the bundle'))
  const [first] = bundles
  if (first === undefined) throw usageError(`no bundle is named: spark-stage ${command} NS/ID…`)
  const { namespace } = first
  return Object.freeze({ ...readUploader(openReader(command, flags, env), env), namespace, bundles })
}

/**
 * The options of `rm --orphans`, read as those of `put`.
 *
 * @returns undefined without `--orphans`: bundles are to be removed
 * @throws ClientError (usage)
 */
export function readOrphansOptions(
  flags: Flags,
  names: readonly string[],
  env = process.env
): OrphansOptions | undefined {
  const read = openReader('rm', flags, env)
  if (!read.switch('--orphans')) return undefined
  if (names.length > 0) throw usageError('--orphans takes no bundles: it looks for Secrets by itself')
  const namespace = parseNamespace(read.text('--namespace'), '--namespace')
  return Object.freeze({ namespace, environment: env, json: read.switch('--json') })
}

/** The options of `token`, read as those of `put`. @param name `NS/ID`. @throws ClientError (usage) */
export function readTokenOptions(flags: Flags, name: string, env = process.env): TokenOptions {
  const read = openReader('token', flags, env)
  const bundle = parseBundleName(name, 'the bundle')
  return Object.freeze({ ...readUploader(read, env), bundle, tokenOut: read.text('--token-out') })
}

/** The options of `submit`, read as those of `put`. @throws ClientError (usage) */
export function readSubmitOptions(flags: Flags, args: readonly string[], env = process.env): SubmitOptions {
  const read = openReader('submit', flags, env)
  return Object.freeze({
    args,
    server: read.optional('--server'),
    caFile: read.optional('--ca-file'),
    allowPlaintext: read.switch('--allow-plaintext'),
    uploadTokenFile: read.optional('--upload-token-file'),
    serviceAccount: read.optional('--service-account'),
    audience: read.text('--audience'),
    sparkSubmit: read.optional('--spark-submit'),
    parallelCount: read.count('--parallel', 64),
    giveUpMs: read.count('--give-up-seconds', 86_400) * secondMs,
    dryRun: read.switch('--dry-run'),
    json: read.switch('--json'),
    environment: env,
    workingDirectory: process.cwd(),
    isTerminal: process.stdin.isTTY === true
  })
}

/**
 * The options of `doctor`, read as those of `put`. Plain http is not refused here: {@link refusePlaintext} is one of
 * its checks.
 *
 * @throws ClientError (usage)
 */
export function readDoctorOptions(flags: Flags, env = process.env): DoctorOptions {
  const read = openReader('doctor', flags, env)
  const bundle = read.optional('--bundle')
  const download = bundle && {
    bundle: parseBundleName(bundle, '--bundle'),
    tokenFile: read.text('--token-file')
  }
  const namespace = bundle ? read.optional('--namespace') : read.text('--namespace')
  return Object.freeze({
    ...readAddress(read, env),
    namespace: namespace && parseNamespace(namespace, '--namespace'),
    uploadTokenFile: read.optional('--upload-token-file'),
    serviceAccount: read.optional('--service-account'),
    audience: read.text('--audience'),
    download: download || undefined
  })
}

/**
 * Secrets are not sent where others can read them, unless that is asked for.
 *
 * @throws ClientError (usage)
 */
export function refusePlaintext({ server, allowPlaintext }: ServerAddress): void {
  if (!isPlaintext(server) || allowPlaintext) return
  throw usageError(
    describe('--server: credentials and tokens would cross the network readable', {
      expected: 'https, or http to a loopback address',
      found: server.href,
      todo: 'Use https, or say --allow-plaintext when the network between is yours alone.'
    })
  )
}

/** A server as people write it, without a slash at its end. */
export function serverName(url: URL): string {
  return url.href.replace(/\/$/, '')
}

function readUploader(read: OptionReader, env: NodeJS.ProcessEnv): UploaderOptions {
  return {
    ...readCommon(read, env),
    uploadTokenFile: read.optional('--upload-token-file'),
    serviceAccount: read.optional('--service-account'),
    audience: read.text('--audience')
  }
}

function readCommon(read: OptionReader, env: NodeJS.ProcessEnv): CommonOptions {
  const address = readAddress(read, env)
  refusePlaintext(address)
  return {
    ...address,
    giveUpMs: read.count('--give-up-seconds', 86_400) * secondMs,
    json: read.switch('--json')
  }
}

function readAddress(read: OptionReader, env: NodeJS.ProcessEnv): ServerAddress {
  const server = parseServer(read.text('--server'))
  const allowPlaintext = read.switch('--allow-plaintext')
  const caFile = read.optional('--ca-file')
  return { server, allowPlaintext, caFile, proxy: proxyFor(server, env), environment: env }
}
