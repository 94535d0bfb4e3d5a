import { spawn } from 'node:child_process'
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { inNamespace } from './network.ts'
import { statePath } from './paths.ts'

/** A process of the cluster, as it is remembered in the state folder. */
interface Remembered {
  readonly pid: number
  /** When the kernel says that it began; with the pid it is this process and no later one. */
  readonly began: string
  readonly command: readonly string[]
}

const patienceMs = 20_000

/** Starts a program in the cluster's network that outlives this one. What it prints goes to `logs/NAME.log`. */
export async function startProcess(name: string, command: readonly string[]): Promise<void> {
  await mkdir(statePath('logs'), { recursive: true })
  await mkdir(statePath('processes'), { recursive: true })
  const log = await open(logOf(name), 'a')
  try {
    const [program, ...args] = [...inNamespace, ...command]
    const child = spawn(program, args, { detached: true, stdio: ['ignore', log.fd, log.fd] })
    child.unref()
    const { pid } = child
    const began = pid === undefined ? undefined : await beganAt(pid)
    if (pid === undefined || began === undefined) throw new Error(`${name} could not be started`)
    await writeFile(recordOf(name), JSON.stringify({ pid, began, command } satisfies Remembered))
  } finally {
    await log.close()
  }
}

/** Starts again what {@link stopProcess} stopped, in the same way. */
export async function restartProcess(name: string): Promise<void> {
  const { command } = await remembered(name)
  if (!(await isRunning(name))) await startProcess(name, command)
}

export async function isRunning(name: string): Promise<boolean> {
  const { pid, began } = await remembered(name)
  return (await beganAt(pid)) === began
}

/** The names of all processes that were started, whether they run or not. */
export async function processNames(): Promise<readonly string[]> {
  const files = await readdir(statePath('processes')).catch(() => [])
  return files.map(file => file.replace(/\.json$/, ''))
}

/** Asks a process to end, makes it end when it does not, and remembers how it is started. */
export async function stopProcess(name: string, signals?: readonly NodeJS.Signals[]): Promise<void> {
  const { pid, began } = await remembered(name)
  await endProcess(pid, began, signals)
}

/** Ends exactly the process with this pid that began then: by each signal in turn, as long as it is there. */
export async function endProcess(
  pid: number,
  began: string,
  signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGKILL']
): Promise<void> {
  for (const signal of signals) {
    if ((await beganAt(pid)) !== began) return
    process.kill(pid, signal)
    const until = Date.now() + patienceMs
    while ((await beganAt(pid)) === began && Date.now() < until) await sleep(50)
  }
  if ((await beganAt(pid)) === began) throw new Error(`process ${pid} does not end`)
}

/** When a process began, in clock ticks since the machine did; undefined when there is none, or only its remains. */
export async function beganAt(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The name before the last bracket may hold anything; the state follows it, and 19 fields later the time.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields?.[0] === 'Z' ? undefined : fields?.[19]
}

/** Where a process's output goes. */
export function logOf(name: string): string {
  return statePath('logs', `${name}.log`)
}

async function remembered(name: string): Promise<Remembered> {
  return JSON.parse(await readFile(recordOf(name), 'utf8')) as Remembered
}

function recordOf(name: string): string {
  return statePath('processes', `${name}.json`)
}
