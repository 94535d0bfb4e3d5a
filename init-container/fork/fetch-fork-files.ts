import { isPlaintext } from '../../shared/loopback.ts'
import { secondMs } from '../../shared/units.ts'
import type { Report } from '../fetch-bundle.ts'
import { FetchError } from '../fetch-error.ts'
import { realSurroundings, type Surroundings } from '../surroundings.ts'
import type { ForkOptions } from './fork-options.ts'
import { ForkRun } from './fork-run.ts'
import { LastTrouble } from './last-trouble.ts'

/** What a finished run has laid out. */
export interface ForkSummary {
  readonly fileCount: number
  readonly sizeBytes: number
  readonly durationMs: number
}

/**
 * Does what the fork's init image does: unpacks the two uploaded archives into their folders, and fetches the remote
 * files to the same places. What fails leaves none of its files in a folder; run again, it does everything again.
 *
 * @param signal stops it cleanly; the promise then rejects with the signal's reason
 * @throws FetchError; `gaveUp` when it is not done within `options.timeoutMs`
 */
export async function fetchForkFiles(
  options: ForkOptions,
  report: Report,
  signal: AbortSignal,
  surroundings: Surroundings = realSurroundings
): Promise<ForkSummary> {
  const startedMs = surroundings.nowMs()
  const timeout = AbortSignal.timeout(options.timeoutMs)
  const trouble = new LastTrouble(report)
  const servers = options.folders.flatMap(({ resource }) => resource?.server ?? [])
  const plain = servers.find(server => isPlaintext(server))
  if (plain !== undefined) report.event('warn', 'secrets cross the network in clear', { server: plain.host })
  const patience = { caFile: options.caFile, giveUpMs: options.timeoutMs }
  const run = new ForkRun(options, { options: patience, report: trouble, surroundings })
  try {
    await run.fetchAll(AbortSignal.any([signal, timeout]))
  } catch (error) {
    signal.throwIfAborted()
    if (timeout.aborted) throw tooLate(options, trouble.found)
    throw error
  }
  return { ...run.done, durationMs: Math.round(surroundings.nowMs() - startedMs) }
}

function tooLate({ timeoutMs }: ForkOptions, found: string): FetchError {
  const expected = `everything within ${timeoutMs / secondMs} seconds`
  return new FetchError({ exit: 'gaveUp', subject: 'mountdependencies.timeout', expected, found })
}
