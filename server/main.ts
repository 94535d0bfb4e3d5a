import { setFlagsFromString } from 'node:v8'

// Bytes pass through here as short-lived buffers. A young generation that grows with them would cost 20 MiB and save
// nothing; it has to be told before anything else is loaded.
setFlagsFromString('--semi-space-growth-factor=1')

try {
  const [{ loadConfig }, { serve }] = await Promise.all([import('./config.ts'), import('./serve.ts')])
  await serve(loadConfig())
} catch (error) {
  // A boundary: nothing but Errors is thrown here.
  process.stderr.write(`spark-stage-server: ${(error as Error).message}\n`)
  process.exitCode = 2
}
