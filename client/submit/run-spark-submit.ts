import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { quote } from '../../shared/errors.ts'
import { usageError } from '../client-error.ts'
import { stopSignalOf } from '../stopped.ts'

/** How spark-submit is run. */
export interface SparkSubmitRun {
  /** Absolute path. */
  readonly program: string
  readonly args: readonly string[]
  /** The user's own, whole: Spark takes PYSPARK_PYTHON and much else from it. */
  readonly environment: NodeJS.ProcessEnv
  /** Our standard output is kept for JSON: what Spark prints there goes to standard error. */
  readonly keepsOutput: boolean
  /** Ctrl-C reaches spark-submit from the terminal itself; without one it is passed on. */
  readonly isTerminal: boolean
}

/**
 * Runs spark-submit at our terminal and waits for its end, whatever happens. When `signal` aborts it is told to stop,
 * and waited for all the same.
 *
 * @returns its exit code; when a signal ended it 128 and the signal's number
 * @throws ClientError (usage) when it cannot be started
 */
export async function runSparkSubmit(run: SparkSubmitRun, signal: AbortSignal): Promise<number> {
  const child = spawn(run.program, run.args, {
    env: run.environment,
    stdio: ['inherit', run.keepsOutput ? 2 : 'inherit', 'inherit']
  })
  const passOn = (): void => {
    const name = stopSignalOf(signal)
    if (name !== 'SIGINT' || !run.isTerminal) child.kill(name)
  }
  signal.addEventListener('abort', passOn)
  try {
    await once(child, 'close').catch((cause: NodeJS.ErrnoException) => {
      throw usageError(`${quote(run.program, 300)} cannot be started (${cause.code})`, { cause })
    })
    const { exitCode, signalCode } = child
    return signalCode === null ? Number(exitCode) : 128 + constants.signals[signalCode]
  } finally {
    signal.removeEventListener('abort', passOn)
  }
}
