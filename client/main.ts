#!/usr/bin/env node
import { constants } from 'node:os'
import { CommanderError } from 'commander'
import { exitCodes } from '../shared/exit-codes.ts'
import { ClientError, exitCodeOf } from './client-error.ts'
import { readGetOptions, readPutOptions } from './options.ts'
import { buildProgram } from './program.ts'
import { chooseStyle, openReport, printFailure, printResult } from './report.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  // Once: a second Ctrl-C ends the program the hard way.
  process.once(name, () => {
    process.exitCode = 128 + constants.signals[name]
    stop.abort()
  })
}

const program = buildProgram({
  put: async (flags, selections) => {
    const options = readPutOptions(flags, selections)
    const { put, describePut } = await import('./commands/put.ts')
    const report = await openReport(chooseStyle(options.json, process.stderr.isTTY))
    const result = await put(options, report, stop.signal)
    printResult(options.json ? JSON.stringify(result) : describePut(result))
  },
  get: async flags => {
    const options = readGetOptions(flags)
    const { get, describeGet } = await import('./commands/get.ts')
    const report = await openReport(chooseStyle(options.json, process.stderr.isTTY))
    const result = await get(options, report, stop.signal)
    printResult(options.json ? JSON.stringify(result) : describeGet(result))
  }
})

try {
  await program.parseAsync()
} catch (error) {
  if (stop.signal.aborted) {
    printFailure('stopped; a draft that was begun expires by itself')
  } else if (error instanceof CommanderError) {
    // It has printed its own text.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code
  } else {
    process.exitCode = exitCodeOf(error)
    printFailure(error instanceof ClientError ? error.message : String((error as Error).stack))
  }
}
