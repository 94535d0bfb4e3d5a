import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { credential, sha256, tokensText } from '../../helpers/start-server.ts'
import { keepSecret, refuseSecrets } from './secrets.ts'
import { type Ending, type Running, type Scope, startProcess } from './start-process.ts'

/** Where everything of these tests is staged. */
export const namespace = 'team-a'

/** A staging server that runs as a process of its own, with upload identity `tokens`. */
export interface StageProcess extends Running {
  readonly url: string
  readonly port: number
  /** The store's folder. */
  readonly store: string
  /** File with the credential that may upload into {@link namespace}. */
  readonly credentialFile: string
}

/** A program and its first arguments. */
export type Command = readonly [string, ...string[]]

/** The programs as they are in this repository. */
const sources = {
  server: [process.execPath, repositoryPath('server/main.ts')],
  client: [process.execPath, repositoryPath('client/main.ts')],
  init: [process.execPath, repositoryPath('init-container/main.ts')]
} as const satisfies Readonly<Record<string, Command>>

export interface StageOptions {
  /** The source by default. */
  readonly command?: Command
  /** Holds store, keys and credentials; a server started on it again finds them all. */
  readonly home: string
  /** A free one by default. */
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
}

/** The path of a file of this repository. */
export function repositoryPath(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url))
}

/** Starts the server and waits until it listens. */
export async function startStage(t: Scope, options: StageOptions): Promise<StageProcess> {
  const { env, store, credentialFile } = await prepareHome(options)
  const [command, ...args] = options.command ?? sources.server
  const running = startProcess(t, command, args, { env })
  const { url } = JSON.parse(await running.line('server listening')) as { url: string }
  t.teardown(() => refuseSecretFigures(url))
  return { ...running, url, port: Number(new URL(url).port), store, credentialFile }
}

/** What a server shows to everyone shows no secret. One that has ended already shows nothing. */
async function refuseSecretFigures(url: string): Promise<void> {
  const signal = AbortSignal.timeout(10_000)
  const text = await fetch(`${url}/metrics`, { signal }).then(
    answer => answer.text(),
    () => ''
  )
  refuseSecrets(`${url}/metrics`, text)
}

/** Starts a server that is expected to end by itself. */
export async function startRefusedStage(t: Scope, options: StageOptions): Promise<Ending> {
  const { env } = await prepareHome(options)
  const [command, ...args] = options.command ?? sources.server
  return startProcess(t, command, args, { env }).ended
}

/** Makes a new folder a home that the tests' own credential opens. @returns it */
export async function makeHome(folder: string): Promise<string> {
  await mkdir(join(folder, 'keys'))
  await writeFile(join(folder, 'keys', 'key-1'), randomBytes(32))
  await writeFile(join(folder, 'credential'), credential)
  await writeFile(join(folder, 'tokens.json'), tokensText())
  return folder
}

export async function prepareHome({ home, port = 0, env = {} }: StageOptions) {
  const keys = join(home, 'keys')
  const credentialFile = join(home, 'credential')
  const tokensFile = join(home, 'tokens.json')
  const store = join(home, 'store')
  await mkdir(keys, { recursive: true })
  if ((await readdir(keys)).length === 0) {
    const credential = randomBytes(24).toString('base64url')
    const tokens = [{ sha256: sha256(credential), principal: 'alice', namespaces: [namespace] }]
    await writeFile(join(keys, 'key-1'), randomBytes(32))
    await writeFile(credentialFile, `${credential}\n`)
    await writeFile(tokensFile, JSON.stringify({ tokens }))
  }
  const key = await readFile(join(keys, 'key-1'))
  for (const encoding of ['hex', 'base64', 'base64url'] as const) keepSecret(key.toString(encoding))
  keepSecret((await readFile(credentialFile, 'utf8')).trim())
  return {
    store,
    credentialFile,
    env: {
      SPARK_STAGE_PORT: `${port}`,
      SPARK_STAGE_STORE: pathToFileURL(store).href,
      SPARK_STAGE_UPLOAD_TOKENS_FILE: tokensFile,
      SPARK_STAGE_SIGNING_KEYS_DIR: keys,
      SPARK_STAGE_LOG_LEVEL: 'debug',
      ...env
    }
  }
}

/** A staged bundle, as `put --json` told it. */
export interface Staged {
  /** `<namespace>/<id>`. */
  readonly bundle: string
  readonly bundleId: string
  readonly tokenFile: string
  readonly token: string
  readonly uploadedBytes: number
  readonly ending: Ending
}

/** Where `put` sends files, which may be a proxy before the server. */
export interface PutOptions {
  /** The source by default. */
  readonly command?: Command
  readonly url: string
  readonly credentialFile: string
  /** For example `['--jar', '/x/a.jar']`. */
  readonly files: readonly string[]
  readonly tokenFile: string
  readonly more?: readonly string[]
}

/** Starts `spark-stage put`. */
export function startPut(t: Scope, options: PutOptions): Running {
  const { url, credentialFile, files, tokenFile, more = [] } = options
  const [command, ...first] = options.command ?? sources.client
  const to = ['--server', url, '--namespace', namespace, '--upload-token-file', credentialFile]
  const args = ['put', ...to, '--token-out', tokenFile, '--json', ...files, ...more]
  return startProcess(t, command, [...first, ...args])
}

/** Runs `spark-stage put`. @throws Error unless it ends with 0 */
export async function put(t: Scope, options: PutOptions): Promise<Staged> {
  const ending = await startPut(t, options).ended
  if (ending.code !== 0) throw new Error(`put ended with ${ending.code}: ${ending.stderr}`)
  const token = (await readFile(options.tokenFile, 'utf8')).trim()
  keepSecret(token)
  return { ...JSON.parse(ending.stdout), token, ending }
}

export interface FetchOptions {
  /** The source by default. */
  readonly command?: Command
  readonly env?: Readonly<Record<string, string>>
  readonly url: string
  readonly staged: Pick<Staged, 'bundle' | 'tokenFile'>
  readonly into: string
  readonly more?: readonly string[]
}

/** Starts the init container's program. */
export function startFetch(t: Scope, options: FetchOptions): Running {
  const { url, staged, into, more = [], env = {} } = options
  const [command, ...first] = options.command ?? sources.init
  const what = ['--server', url, '--bundle', staged.bundle, '--token-file', staged.tokenFile, '--into', into]
  return startProcess(t, command, [...first, ...what, ...more], { env })
}

/** Runs the init container's program. @throws Error unless it ends with 0 */
export async function fetchInto(t: Scope, options: FetchOptions): Promise<Ending> {
  const ending = await startFetch(t, options).ended
  if (ending.code !== 0) throw new Error(`init ended with ${ending.code}: ${ending.stdout}${ending.stderr}`)
  return ending
}
