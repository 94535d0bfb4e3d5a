import { constants } from 'node:os'
import { CommanderError } from 'commander'
import { exitCodes } from '../shared/exit-codes.ts'
import { openReport } from '../shared/progress.ts'
import { ClientError, exitCodeOf } from './client-error.ts'
import type { Renewed } from './commands/renew.ts'
import type { OpenCluster } from './commands/submit.ts'
import { type BundleDone, type BundleOutcome, exitCodeOfAll, isFailure } from './each-bundle.ts'
import {
  readBundlesOptions,
  readDoctorOptions,
  readGetOptions,
  readListOptions,
  readOrphansOptions,
  readPutOptions,
  readSubmitOptions,
  readTokenOptions
} from './options.ts'
import { buildProgram } from './program.ts'
import { chooseStyle, printFailure, printResult } from './report.ts'
import { openKubernetes } from './server-options.ts'
import { Stopped, stoppedMessage } from './stopped.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // Once: a second Ctrl-C ends the program the hard way.
  process.once(name, () => {
    process.exitCode = 128 + constants.signals[name]
    stop.abort(new Stopped(name))
  })
}

const reportFor = (json: boolean) => openReport(chooseStyle(json, process.stderr.isTTY), process.stderr)

const print = <Result>(json: boolean, result: Result, describe: (result: Result) => string) =>
  printResult(json ? JSON.stringify(result) : describe(result))

/** Shows what becomes of each bundle as it happens; JSON comes at the end. */
const outcomePrinter =
  <Result extends object>(json: boolean, describe: (done: BundleDone<Result>) => string) =>
  (outcome: BundleOutcome<Result>) => {
    if (json) return
    if (isFailure(outcome)) printFailure(`${outcome.bundle}: ${outcome.error.message}`)
    else printResult(describe(outcome))
  }

const finishAll = (json: boolean, bundles: readonly BundleOutcome<object>[]) => {
  if (json) printResult(JSON.stringify({ bundles }))
  process.exitCode = exitCodeOfAll(bundles)
}

const program = buildProgram({
  put: async (flags, selections) => {
    const options = readPutOptions(flags, selections)
    const { put, describePut } = await import('./commands/put.ts')
    const result = await put(options, await reportFor(options.json), stop.signal)
    print(options.json, result, describePut)
  },
  get: async flags => {
    const options = readGetOptions(flags)
    const { get, describeGet } = await import('./commands/get.ts')
    const result = await get(options, await reportFor(options.json), stop.signal)
    print(options.json, result, describeGet)
  },
  ls: async flags => {
    const options = readListOptions(flags)
    const { ls, describeList } = await import('./commands/ls.ts')
    const result = await ls(options, await reportFor(options.json), stop.signal)
    print(options.json, result, list => describeList(list, Date.now()))
  },
  rm: async (flags, names) => {
    const orphans = readOrphansOptions(flags, names)
    if (orphans !== undefined) {
      const { rmOrphans, describeOrphans } = await import('./commands/rm-orphans.ts')
      return print(orphans.json, await rmOrphans(orphans, stop.signal), describeOrphans)
    }
    const options = readBundlesOptions('rm', flags, names)
    const { rm, describeRemoved } = await import('./commands/rm.ts')
    const onOutcome = outcomePrinter(options.json, describeRemoved)
    finishAll(options.json, await rm(options, await reportFor(options.json), onOutcome, stop.signal))
  },
  renew: async (flags, names) => {
    const options = readBundlesOptions('renew', flags, names)
    const { renew, describeRenewed } = await import('./commands/renew.ts')
    const onOutcome = outcomePrinter<Renewed>(options.json, done => describeRenewed(done, Date.now()))
    finishAll(options.json, await renew(options, await reportFor(options.json), onOutcome, stop.signal))
  },
  token: async (flags, name) => {
    const options = readTokenOptions(flags, name)
    const { token, describeToken } = await import('./commands/token.ts')
    const result = await token(options, await reportFor(options.json), stop.signal)
    print(options.json, result, describeToken)
  },
  doctor: async flags => {
    const json = flags['json'] === true
    const { doctor, describeCheck, chooseMarks } = await import('./commands/doctor.ts')
    const marks = chooseMarks(process.stdout.isTTY, process.env['NO_COLOR'])
    const read = () => readDoctorOptions(flags)
    const result = await doctor(read, line => json || printResult(describeCheck(line, marks)), stop.signal)
    if (json) printResult(JSON.stringify(result))
    process.exitCode = result.exitCode
  },
  submit: async (flags, args) => {
    const options = readSubmitOptions(flags, args)
    const { submit, describeSubmit } = await import('./commands/submit.ts')
    const open: OpenCluster = place => openKubernetes({ ...place, environment: process.env })
    const report = await reportFor(options.json)
    const result = await submit(options, open, report, stop.signal)
    // Standard output belongs to spark-submit.
    if (options.json) printResult(JSON.stringify(result))
    else if (result.staged === 'dry run') printResult(describeSubmit(result))
    else if (result.staged && result.exitCode === 0) report.note(describeSubmit(result))
    else if (result.staged) printFailure(describeSubmit(result))
    // A signal has set its own.
    process.exitCode ??= 'exitCode' in result ? result.exitCode : exitCodes.ok.code
  }
})

try {
  await program.parseAsync()
} catch (error) {
  if (stop.signal.aborted) {
    printFailure(stoppedMessage(error, stop.signal))
  } else if (error instanceof CommanderError) {
    // It has printed its own text.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code
  } else {
    process.exitCode = exitCodeOf(error)
    printFailure(error instanceof ClientError ? error.message : String((error as Error).stack))
  }
}
