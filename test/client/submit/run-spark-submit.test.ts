import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { Stopped } from '../../../client/stopped.ts'
import { runSparkSubmit } from '../../../client/submit/run-spark-submit.ts'

const run = { program: '/bin/sh', environment: {}, keepsOutput: true, isTerminal: false }
const never = new AbortController().signal

t.test('its exit code is passed on, and a signal as shells tell it', async t => {
  t.equal(await runSparkSubmit({ ...run, args: ['-c', 'exit 7'] }, never), 7)
  t.equal(await runSparkSubmit({ ...run, args: ['-c', 'kill -9 $$'] }, never), 137)
})

t.test('its output goes where ours goes, unless JSON is wanted', async t => {
  t.equal(await runSparkSubmit({ ...run, keepsOutput: false, args: ['-c', ':'] }, never), 0)
})

t.test('a program that cannot be started is told', async t => {
  const started = runSparkSubmit({ ...run, program: join(t.testdir(), 'none'), args: [] }, never)
  await t.rejects(started, { exitCause: 'usage', message: /cannot be started \(ENOENT\)/ })
})

t.test('a stop is passed on, but for a Ctrl-C that the terminal gives itself', async t => {
  const source = `const socket = require('node:net').connect(Number(process.argv[1]))
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => process.exit(name === 'SIGINT' ? 30 : 40))`
  for (const [name, isTerminal, code] of [
    ['SIGTERM', false, 40],
    ['SIGTERM', true, 40],
    ['SIGINT', false, 30]
  ] as const) {
    // It connects once its signals are handled; the server waits for that.
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const stop = new AbortController()
    const args = ['-e', `${source};socket.on('error', () => {})`, String(port)]
    const ended = runSparkSubmit({ ...run, program: process.execPath, isTerminal, args }, stop.signal)
    await once(server, 'connection')

    stop.abort(new Stopped(name))

    t.equal(await ended, code, `${name} ${isTerminal}`)
    server.close()
  }
})

t.test('at a terminal Ctrl-C is not sent twice', async t => {
  const stop = new AbortController()
  const ended = runSparkSubmit({ ...run, isTerminal: true, args: ['-c', 'exit 5'] }, stop.signal)

  stop.abort(new Stopped('SIGINT'))

  t.equal(await ended, 5)
})

t.test('a stop without a name is a SIGTERM', async t => {
  const stop = new AbortController()
  const ended = runSparkSubmit({ ...run, args: ['-c', 'while :; do :; done'] }, stop.signal)

  stop.abort()

  t.equal(await ended, 143)
})
