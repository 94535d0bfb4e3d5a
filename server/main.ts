import { constants } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { exitCodes } from '../shared/exit-codes.ts'
import { helpText, readCommand } from './options.ts'

// Bytes pass through here as short-lived buffers. A young generation that grows with them would cost 20 MiB and save
// nothing; it has to be told before the rest is loaded.
setFlagsFromString('--semi-space-growth-factor=1')

const commands = {
  serve: async () => {
    const [{ loadConfig }, { serve }] = await Promise.all([import('./config.ts'), import('./serve.ts')])
    await serve(loadConfig())
  },
  verify: async () => {
    const stop = new AbortController()
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      // Once: a second Ctrl-C ends the program the hard way.
      process.once(name, () => {
        process.exitCode = 128 + constants.signals[name]
        stop.abort()
      })
    }
    const [{ loadStorePlace }, { verifyCommand }] = await Promise.all([
      import('./config.ts'),
      import('./verify-command.ts')
    ])
    const cause = await verifyCommand(loadStorePlace(), process, stop.signal)
    process.exitCode ??= exitCodes[cause].code
  },
  help: async () => void process.stdout.write(helpText),
  version: async () => {
    const { version } = await import('../shared/version.ts')
    process.stdout.write(`${version}\n`)
  }
}

try {
  await commands[readCommand(process.argv.slice(2))]()
} catch (error) {
  // A boundary: nothing but Errors is thrown here.
  process.stderr.write(`spark-stage-server: ${(error as Error).message}\n`)
  process.exitCode = exitCodes.usage.code
}
