import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { MiB } from '../../shared/units.ts'

const start = promisify(execFile)

export interface CommandOptions {
  readonly cwd?: string
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Two minutes by default. */
  readonly timeoutMs?: number
}

/**
 * Runs a program to its end.
 *
 * @returns its standard output
 * @throws Error with the last lines of what it printed, when it fails or takes too long
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  { cwd, env = {}, timeoutMs = 120_000 }: CommandOptions = {}
): Promise<string> {
  const options = {
    maxBuffer: 64 * MiB,
    timeout: timeoutMs,
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd })
  }
  try {
    const { stdout } = await start(command, [...args], options)
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '', killed = false } = error as Partial<Ended>
    const why = killed ? `was ended after ${timeoutMs / 1000} s` : 'failed'
    const lines = `${stdout}\n${stderr}`.trim().split('\n').slice(-20)
    throw new Error(`${command} ${args.join(' ')} ${why}:\n${lines.join('\n')}`, { cause: error })
  }
}

interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly killed: boolean
}
