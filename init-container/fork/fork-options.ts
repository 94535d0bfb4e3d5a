import { quote } from '../../shared/errors.ts'
import { forkDefaults, forkKeys } from '../../shared/fork-keys.ts'
import { FetchError } from '../fetch-error.ts'
import { parseProperties } from './properties.ts'
import { parseRemoteFiles, type RemoteFile } from './remote-file.ts'
import { parseSparkTime } from './spark-time.ts'

/** A tar.gz that was uploaded through the staging server's v0 door, and the file with its secret. */
export interface ForkResource {
  readonly server: URL
  readonly id: string
  readonly secretFile: string
}

/** One of the two folders, and all that goes into it. */
export interface ForkFolder {
  readonly kind: 'jars' | 'files'
  readonly into: string
  readonly resource: ForkResource | undefined
  readonly remote: readonly RemoteFile[]
}

/** What a properties file of the fork asks for. */
export interface ForkOptions {
  readonly caFile: string | undefined
  /** All of it must be done within this time, in milliseconds. */
  readonly timeoutMs: number
  readonly folders: readonly ForkFolder[]
}

/**
 * What the text of the fork's properties file means. Keys that its init image does not read are passed over.
 *
 * @throws FetchError `usage`, which shows no URL: one may hold credentials
 */
export function parseForkOptions(text: string): ForkOptions {
  const properties = parseProperties(text)
  const read: Read = name => properties.get(forkKeys[name]) || undefined
  if (read('trustStore') !== undefined) {
    throw wrong('trustStore', `the authorities as PEM, in ${forkKeys.caFile}`, 'a Java key store')
  }
  const folders = (['jars', 'files'] as const).map(kind => readFolder(kind, read))
  return { caFile: read('caFile'), timeoutMs: readTimeout(read), folders }
}

type Read = (name: keyof typeof forkKeys) => string | undefined

function readOrDefault(name: keyof typeof forkDefaults, read: Read): string {
  return read(name) ?? forkDefaults[name]
}

function readFolder(kind: 'jars' | 'files', read: Read): ForkFolder {
  const id = read(`${kind}Id`)
  const secretFile = readOrDefault(`${kind}SecretFile`, read)
  const list = kind === 'jars' ? 'remoteJars' : 'remoteFiles'
  return {
    kind,
    into: readOrDefault(`${kind}Folder`, read),
    resource: id === undefined ? undefined : { server: readServer(read), id, secretFile },
    remote: parseRemoteFiles(read(list) ?? '', forkKeys[list])
  }
}

function readServer(read: Read): URL {
  const text = read('server') ?? ''
  const url = URL.parse(text)
  const isPlain = url !== null && url.username + url.password + url.search + url.hash === ''
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    throw wrong('server', 'http(s)://host[:port][/prefix]', text === '' ? 'nothing' : 'something else')
  }
  if (readOrDefault('tlsEnabled', read) === 'true' && url.protocol === 'http:') {
    throw wrong('server', `https, as ${forkKeys.tlsEnabled} says`, 'http')
  }
  return url
}

function readTimeout(read: Read): number {
  const text = readOrDefault('timeout', read)
  const timeoutMs = parseSparkTime(text)
  // Beyond it, Node's timers end at once.
  if (timeoutMs !== undefined && timeoutMs >= 1 && timeoutMs < 2 ** 31) return timeoutMs
  throw wrong('timeout', 'a time such as 300s or 5m, at most 24 days', quote(text))
}

function wrong(name: keyof typeof forkKeys, expected: string, found: string): FetchError {
  return new FetchError({ exit: 'usage', subject: forkKeys[name], expected, found })
}
