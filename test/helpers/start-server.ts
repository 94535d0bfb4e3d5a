import { createHash, randomBytes } from 'node:crypto'
import type { Dirent } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Test } from 'tap'
import { type App, createApp } from '../../server/app.ts'
import { type Config, loadConfig } from '../../server/config.ts'
import type { Cluster } from '../../server/identity/kubernetes-cluster.ts'
import type { Clock } from '../../server/staging/clock.ts'
import type { Disk } from '../../server/storage/disk.ts'
import { openStorage } from '../../server/storage/open-storage.ts'
import type { StorageDriver } from '../../server/storage/storage-driver.ts'
import { watchAnswers } from './documented-answers.ts'

/** The credential that may upload into the namespaces `team-a` and `team-b`. */
export const credential = 'upload-credential-of-the-tests-4f1c'

/** One that may upload into `team-c` only. */
export const otherCredential = 'another-credential-of-the-tests-9d2e'

/** The environment of tests that move the clock far, and look at what is there before it is swept. */
export const withoutSweeps = { SPARK_STAGE_SWEEP_INTERVAL_SECONDS: String(10 * 365 * 86_400) }

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** What no environment with a store on disk can say. */
  readonly config?: Partial<Config>
  readonly clock?: Clock
  readonly cluster?: Cluster
  readonly disk?: Disk
  /** An existing store folder; a new one by default. */
  readonly folder?: string
  /** An existing directory with keys; a new one by default. */
  readonly keysDirectory?: string
  /** Wraps the store, to watch or disturb it. */
  readonly wrapStore?: (store: StorageDriver) => StorageDriver
}

export interface TestServer {
  readonly url: string
  readonly app: App
  readonly store: StorageDriver
  /** The store's folder. */
  readonly folder: string
  readonly keysDirectory: string
  /** Every line the server has logged. */
  readonly logLines: readonly string[]
  /** Notes a secret that no log line may show; tokens and credentials that {@link call} sees are noted by themselves. */
  keepSecret(secret: string): void
  /** The paths of all files in the store, sorted, without the lock and without keys. */
  files(): Promise<readonly string[]>
  /** Closes the server and lets go of the store; at the test's end it is done anyway. */
  close(): Promise<void>
}

/** How many servers of the tests have a folder: the last to close removes it. */
const users = new Map<string, number>()

/**
 * A real server on a free loopback port, closed at the end of the test. Then every line that it has logged, and every
 * answer that is not meant to hold one, figures included, is searched for every secret that it was given or gave away;
 * and every answer it gave must be one that its `/openapi.json` has.
 */
export async function startServer(t: Test, options: StartOptions = {}): Promise<TestServer> {
  const home =
    options.folder === undefined
      ? await mkdtemp(join(tmpdir(), 'spark-stage-test-'))
      : dirname(options.folder)
  users.set(home, (users.get(home) ?? 0) + 1)
  const folder = options.folder ?? join(home, 'store')
  const keysDirectory = options.keysDirectory ?? join(home, 'keys')
  const tokensFile = join(home, 'tokens.json')
  await mkdir(keysDirectory, { recursive: true })
  const key = randomBytes(32)
  if (options.keysDirectory === undefined) await writeFile(join(keysDirectory, 'key-1'), key)
  await writeFile(tokensFile, tokensText())
  const logLines: string[] = []
  const secrets = new Set([credential, otherCredential, key.toString('hex'), key.toString('base64')])
  const loaded = loadConfig({
    SPARK_STAGE_STORE: pathToFileURL(folder).href,
    SPARK_STAGE_UPLOAD_TOKENS_FILE: tokensFile,
    SPARK_STAGE_LOG_LEVEL: 'debug',
    SPARK_STAGE_DRAIN_SECONDS: '2',
    ...options.env
  })
  const config = { ...loaded, ...options.config }
  const opened = await openStorage(
    config.SPARK_STAGE_STORE,
    options.disk === undefined ? {} : { disk: options.disk }
  )
  const store = options.wrapStore?.(opened) ?? opened
  const leave = async () => {
    users.set(home, (users.get(home) ?? 0) - 1)
    if (users.get(home) === 0) await rm(home, { recursive: true, force: true })
  }
  const app = await createApp(config, {
    store,
    keysDirectory,
    logStream: { write: line => logLines.push(line) },
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.cluster === undefined ? {} : { cluster: options.cluster })
  }).catch(async error => {
    await opened.close()
    await leave()
    throw error
  })
  const shown: string[] = []
  // Tokens are noted where they leave the server, and so is what errors and figures say.
  app.server.addHook('onSend', async (_request, _reply, payload) => {
    if (typeof payload !== 'string') return
    const token = /"(?:token|resourceSecret)":"([^"]+)"/.exec(payload)?.[1]
    if (token === undefined) shown.push(payload)
    else secrets.add(token)
  })
  const undocumented = watchAnswers(app.server)
  const url = await app.server.listen({ host: '127.0.0.1', port: 0 })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= app.stop().then(() => opened.close())
    return closing
  }
  t.teardown(async () => {
    if (app.server.server.listening) await app.server.inject('/metrics')
    await close()
    await leave()
    const secret = [...secrets].find(text => [...logLines, ...shown].some(line => line.includes(text)))
    if (secret !== undefined) throw new Error(`a log line or an answer shows the secret ${secret}`)
    const answers = undocumented()
    if (answers.length > 0) throw new Error(`not in /openapi.json: ${answers.join(', ')}`)
  })
  return {
    url,
    app,
    store,
    folder,
    keysDirectory,
    logLines,
    keepSecret: secret => void secrets.add(secret),
    files: () => storeFiles(folder),
    close
  }
}

/** The paths of all files below a store's folder, sorted, without the lock, the keys and the ledger, which are always there. */
export async function storeFiles(folder: string): Promise<readonly string[]> {
  const entries = await readTree(folder)
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return files
    .map(path => path.slice(folder.length + 1))
    .filter(path => !path.startsWith('lock.') && !path.startsWith('keys/') && path !== 'usage.json')
    .sort()
}

/** Everything below a folder; read again when something went away meanwhile. */
async function readTree(folder: string): Promise<readonly Dirent[]> {
  for (;;) {
    try {
      return await readdir(folder, { recursive: true, withFileTypes: true })
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
}

/** The lowercase hex SHA-256 of a text or of bytes. */
export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The JSON file with a name of a store. */
export async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'))
}

/** The text of a tokens file with both credentials. */
export function tokensText(): string {
  const tokens = [
    { sha256: sha256(credential), principal: 'alice', namespaces: ['team-a', 'team-b'] },
    { sha256: sha256(otherCredential), principal: 'carol', namespaces: ['team-c'] }
  ]
  return JSON.stringify({ tokens })
}
