import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** How a run of the real client ended. */
export interface ClientRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const main = fileURLToPath(new URL('../../client/main.ts', import.meta.url))

/** Runs `spark-stage` as a process of its own, without the caller's `SPARK_STAGE_…` variables. */
export async function runClient(
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
  onStart: (child: ChildProcess) => void = () => {}
): Promise<ClientRun> {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('SPARK_STAGE_'))
  const child = spawn(process.execPath, [main, ...args], {
    cwd,
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  onStart(child)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: child.exitCode, stdout, stderr }
}
