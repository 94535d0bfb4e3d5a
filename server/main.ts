import { constants } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { exitCodes } from '../shared/exit-codes.ts'
import { helpText, readCommand, readCopyUrls } from './options.ts'

// Bytes pass through here as short-lived buffers. A young generation that grows with them would cost 20 MiB and save
// nothing; it has to be told before the rest is loaded.
setFlagsFromString('--semi-space-growth-factor=1')
// The rest of the heap would otherwise grow to three times what lives in it before it is looked through.
setFlagsFromString('--heap-growing-percent=30')

const commands = {
  serve: async () => {
    const [{ loadConfig }, { serve }] = await Promise.all([import('./config.ts'), import('./serve.ts')])
    await serve(loadConfig())
  },
  verify: async () => {
    const signal = onStop()
    const [{ loadStorePlace }, { verifyCommand }] = await Promise.all([
      import('./config.ts'),
      import('./verify-command.ts')
    ])
    const cause = await verifyCommand(loadStorePlace(), process, signal)
    process.exitCode ??= exitCodes[cause].code
  },
  copy: async () => {
    const urls = readCopyUrls(process.argv.slice(3))
    const signal = onStop()
    const [{ namedStorePlace }, { copyCommand }] = await Promise.all([
      import('./config.ts'),
      import('./copy-command.ts')
    ])
    const places = { from: namedStorePlace('--from', urls.from), to: namedStorePlace('--to', urls.to) }
    const cause = await copyCommand(places, process, signal)
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

/** Aborts at the first Ctrl-C or SIGTERM; a second one ends the program the hard way. */
function onStop(): AbortSignal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      process.exitCode = 128 + constants.signals[name]
      stop.abort()
    })
  }
  return stop.signal
}
