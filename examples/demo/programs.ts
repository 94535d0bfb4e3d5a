import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** The three programs of this repository, by their entry points. */
const entryPoints = {
  server: '../../server/main.ts',
  stage: '../../client/main.ts',
  init: '../../init-container/main.ts'
} as const

/** How a program ended. Its standard error went to ours. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
}

/** A running staging server. */
export interface DemoServer extends AsyncDisposable {
  readonly url: string
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<unknown>
}

/** Runs a program to its end. */
export async function run(
  program: 'stage' | 'init',
  args: readonly string[],
  signal: AbortSignal
): Promise<Ended> {
  signal.throwIfAborted()
  const child = start(program, args)
  const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')])
  signal.throwIfAborted()
  return { code: child.exitCode, stdout }
}

/**
 * Starts a server on a free loopback port that takes uploads from anyone there.
 *
 * @param store a `file:` URL
 * @throws Error when it ends before it listens
 */
export async function startServer(store: string): Promise<DemoServer> {
  const child = start('server', [], {
    SPARK_STAGE_PORT: '0',
    SPARK_STAGE_UPLOAD_AUTH: 'none',
    SPARK_STAGE_STORE: store
  })
  const ended = once(child, 'close')
  const url = await Promise.race([findUrl(child.stdout), ended.then(() => undefined)])
  if (url === undefined) throw new Error(`the server ended with code ${child.exitCode} before it listened`)
  return { url, ended, [Symbol.asyncDispose]: () => stop(child, ended) }
}

function start(
  program: keyof typeof entryPoints,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {}
) {
  // What the caller has set for a real server must not change the demo.
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('SPARK_STAGE_'))
  return spawn(process.execPath, [fileURLToPath(new URL(entryPoints[program], import.meta.url)), ...args], {
    env: { ...Object.fromEntries(ours), ...env },
    stdio: ['ignore', 'pipe', 'inherit']
  })
}

/** Reads log lines until one says where the server listens; later ones are read and dropped. */
function findUrl(log: NodeJS.ReadableStream): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  createInterface({ input: log }).on('line', line => {
    const url = /"url":"([^"]+)".*"msg":"server listening"|"msg":"server listening".*"url":"([^"]+)"/.exec(
      line
    )
    if (url !== null) resolve(url[1] ?? url[2] ?? '')
  })
  return promise
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  const force = setTimeout(() => child.kill('SIGKILL'), 10_000)
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
  await ended
  clearTimeout(force)
}
