import './small-heap.ts'

import { exitCodes } from '../shared/exit-codes.ts'
import { checkOptions } from './check-options.ts'
import { fetchBundle } from './fetch-bundle.ts'
import { FetchError } from './fetch-error.ts'
import { fetchForkFiles } from './fork/fetch-fork-files.ts'
import { forkFileOf, readForkFile } from './fork/read-fork-file.ts'
import { optionTable, readOptions } from './options.ts'
import { JsonReport, writeTerminationLog } from './report.ts'

/** As shells name the end by a signal: 128 and its number. */
const signalCodes = { SIGINT: 130, SIGTERM: 143 } as const

const { terminationLog } = optionTable
let terminationLogFile: string = process.env[terminationLog.env] || terminationLog.default
const report = new JsonReport(line => process.stdout.write(line))
const stop = new AbortController()
let stoppedCode: number | undefined
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // Once: a second signal ends the program the hard way.
  process.once(name, () => {
    stoppedCode = signalCodes[name]
    stop.abort(new Error(name))
  })
}

// Not awaited: in an executable this is CommonJS, which has no await out here.
run().then(code => process.exit(code))

async function run(): Promise<number> {
  try {
    const args = process.argv.slice(2)
    const forkFile = forkFileOf(args)
    if (forkFile !== undefined) return await runFork(forkFile)
    const values = readOptions(args, process.env)
    if (typeof values === 'string') {
      process.stdout.write(values)
      return exitCodes.ok.code
    }
    terminationLogFile = values.terminationLog
    const options = checkOptions(values)
    report.event('info', 'starting', values)
    const summary = await fetchBundle(options, report, stop.signal)
    report.event('info', 'complete', { ...summary })
    return exitCodes.ok.code
  } catch (error) {
    if (stoppedCode === undefined) return fail(error)
    report.event('warn', 'stopped by a signal', { exitCode: stoppedCode })
    return stoppedCode
  }
}

/** In the place of the fork's init image. */
async function runFork(file: string): Promise<number> {
  const options = await readForkFile(file)
  report.event('info', 'starting', { properties: file })
  const summary = await fetchForkFiles(options, report, stop.signal)
  report.event('info', 'complete', { ...summary })
  return exitCodes.ok.code
}

function fail(error: unknown): number {
  const { exit, subject, expected, found } =
    error instanceof FetchError
      ? error.failure
      : { exit: 'internal' as const, subject: 'program', expected: 'no fault', found: String(error) }
  const exitCode = exitCodes[exit].code
  report.event('error', 'failed', { cause: exit, exitCode, file: subject, expected, found })
  writeTerminationLog(terminationLogFile, `${exit}: ${subject}: expected ${expected}, found ${found}`)
  return exitCode
}
