import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Test } from 'tap'
import { KiB } from '../../../shared/units.ts'
import { refuseSecrets } from './secrets.ts'

/** What ends: a test, or whatever else takes things to be undone at its end, in reverse order. */
export type Scope = Pick<Test, 'teardown'>

/** How a process ended. */
export interface Ending {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** The most memory it ever had resident (VmHWM), in bytes, as last seen a few milliseconds before its end. */
  readonly peakBytes: number
}

/** A process that a test started. */
export interface Running {
  readonly child: ChildProcess
  /** Resolves when it has ended and all it printed is read. */
  readonly ended: Promise<Ending>
  /** The most memory that it has had resident so far (VmHWM), in bytes. */
  peakBytes(): Promise<number>
  /** The first line of its standard output that has `text`, now or later. @throws Error when it ends without one */
  line(text: string): Promise<string>
  kill(signal: NodeJS.Signals): Promise<Ending>
}

export interface ProcessOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** How often the memory of a process is looked at. */
const sampleMs = 20

/** What a test that was broken off leaves to be ended with this process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * Starts a program with a small environment of its own. At the end of the test it is killed if it still runs, and all
 * that it printed is searched for secrets.
 */
export function startProcess(
  t: Scope,
  command: string,
  args: readonly string[],
  options: ProcessOptions = {}
): Running {
  const { PATH, HOME } = process.env
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH, HOME, ...options.env }
  })
  running.add(child)
  const stdout = new Output(child.stdout)
  const stderr = new Output(child.stderr)
  let peak = 0
  const peakBytes = async () => {
    peak = Math.max(peak, await highWaterBytes(child.pid))
    return peak
  }
  const sampling = setInterval(() => void peakBytes(), sampleMs)
  const closed = once(child, 'close').finally(() => {
    clearInterval(sampling)
    running.delete(child)
  })
  const ended = closed.then(() => ({
    code: child.exitCode,
    stdout: stdout.text,
    stderr: stderr.text,
    peakBytes: peak
  }))
  // Whoever waits for it hears of a program that could not be started; at the latest the teardown does.
  ended.catch(() => {})
  const kill = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return ended
  }
  t.teardown(async () => {
    await kill('SIGKILL')
    refuseSecrets(args.join(' '), stdout.text + stderr.text)
  })
  const line = async (text: string) => {
    const found = await Promise.race([stdout.line(text), ended])
    if (typeof found === 'string') return found
    throw new Error(`${args.join(' ')} ended with ${found.code} before it said "${text}": ${found.stderr}`)
  }
  return { child, ended, peakBytes, line, kill }
}

/** What a process printed so far. */
class Output {
  text = ''
  readonly #stream: Readable

  constructor(stream: Readable) {
    this.#stream = stream
    stream.setEncoding('utf8').on('data', (text: string) => {
      this.text += text
    })
  }

  async line(text: string): Promise<string> {
    for (;;) {
      const whole = this.text.split('\n').slice(0, -1)
      const found = whole.find(line => line.includes(text))
      if (found !== undefined) return found
      await once(this.#stream, 'data')
    }
  }
}

async function highWaterBytes(pid: number | undefined): Promise<number> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * KiB
  } catch {
    // It has just ended.
    return 0
  }
}
