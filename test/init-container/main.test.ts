import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { type ExitCause, exitCodes } from '../../shared/exit-codes.ts'
import { KiB } from '../../shared/units.ts'
import { bundleId, type FakeServerOptions, fakeFile, fakeServer, namespace, token } from './fake-server.ts'
import { temporaryFolder } from './fetching.ts'

const main = new URL('../../init-container/main.ts', import.meta.url).pathname
const file = fakeFile('files/x', randomBytes(200 * KiB))

interface Line {
  readonly event: string
  readonly file?: string
}

interface Ended {
  readonly code: number | null
  readonly lines: readonly Line[]
  readonly stderr: string
  readonly terminationLog: string
}

/** A real init container process against a fake server. */
interface Run {
  readonly folder: string
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

function start(t: Test, server: URL, more: readonly string[] = [], node: readonly string[] = []): Run {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'token'), token)
  writeFileSync(join(folder, 'log'), '')
  const paths = ['--token-file', join(folder, 'token'), '--into', join(folder, 'into')]
  const log = ['--termination-log', join(folder, 'log')]
  const args = [
    ...node,
    main,
    '--server',
    server.href,
    '--bundle',
    `${namespace}/${bundleId}`,
    ...paths,
    ...log,
    ...more
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = (async (): Promise<Ended> => {
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    const terminationLog = await readFile(join(folder, 'log'), 'utf8')
    t.notMatch(stdout + stderr + terminationLog, token, 'the token is in no output')
    const lines = stdout.split('\n').filter(line => line.startsWith('{'))
    return { code: child.exitCode, lines: lines.map(line => JSON.parse(line)), stderr, terminationLog }
  })()
  return { folder, child, ended }
}

t.test('a fetch that succeeds tells its options and a summary, and exits 0', async t => {
  const server = await fakeServer(t, [file])
  const { ended, folder } = start(t, server.url)

  const { code, lines, stderr, terminationLog } = await ended

  t.equal(code, exitCodes.ok.code)
  t.same(
    lines.map(line => line.event),
    ['starting', 'manifest read', 'complete']
  )
  t.match(lines[0], { server: server.url.href, parallelCount: '4', stallSeconds: '30', giveUpSeconds: '900' })
  t.match(lines[2], {
    level: 'info',
    fileCount: 1,
    fetchedFileCount: 1,
    keptFileCount: 0,
    durationMs: Number
  })
  t.equal(stderr, '')
  t.equal(terminationLog, '')
  t.ok((await readFile(join(folder, 'into/files/x'))).equals(file.bytes))
})

t.test(
  'each cause has its exit code, one line that names the thing, and the same in the termination log',
  async t => {
    const status = (code: number): FakeServerOptions => ({
      onManifest: (_request, response) => void response.writeHead(code).end()
    })
    const wrong: FakeServerOptions = { onEntry: ({ response }) => void response.end(Buffer.alloc(200 * KiB)) }
    const busy: FakeServerOptions = { onEntry: ({ response }) => void response.writeHead(503).end() }
    const huge = fakeFile('files/huge', '', { sizeBytes: 2 ** 52 })
    const short = ['--give-up-seconds', '0.05']
    const causes: readonly (readonly [ExitCause, FakeServerOptions, string, RegExp, readonly string[]])[] = [
      ['usage', {}, 'options', /--parallel .* found "0"/, ['--parallel', '0']],
      ['refused', status(401), 'manifest', /found status 401/, []],
      ['gone', status(410), 'manifest', /found status 410/, []],
      ['damaged', wrong, 'files/x', /expected sha256 .*, found sha256 /, short],
      ['noSpace', {}, 'into', /bytes of free space, found \d+ bytes/, []],
      ['gaveUp', busy, 'files/x', /found status 503/, short]
    ]
    for (const [cause, options, subject, found, more] of causes) {
      t.test(cause, async t => {
        const server = await fakeServer(t, cause === 'noSpace' ? [huge] : [file], options)

        const { code, lines, stderr, terminationLog } = await start(t, server.url, more).ended

        const { code: exitCode } = exitCodes[cause]
        t.equal(code, exitCode)
        t.match(lines.at(-1), { level: 'error', event: 'failed', cause, exitCode })
        t.match(lines.at(-1)?.file, subject)
        t.match(terminationLog, new RegExp(`^${cause}: .*${subject}: expected .*\n$`))
        t.match(terminationLog, found)
        t.equal(stderr, '')
      })
    }
  }
)

t.test('a fault of the program has an exit code of its own', async t => {
  const server = await fakeServer(t, [file])

  const fault = `import { syncBuiltinESMExports } from 'node:module'
    import fs from 'node:fs/promises'
    fs.rename = () => Promise.reject(new Error('a fault'))
    syncBuiltinESMExports()`
  const load = `--import=data:text/javascript,${encodeURIComponent(fault)}`

  const { code, lines, terminationLog } = await start(t, server.url, [], [load]).ended

  t.equal(code, exitCodes.internal.code)
  t.match(lines.at(-1), { level: 'error', cause: 'internal', exitCode: 1, found: 'Error: a fault' })
  t.match(terminationLog, /^internal: program: expected no fault, found Error: a fault/)
})

t.test('a signal stops it with the code for it, and the part stays for the next run', async t => {
  for (const [signal, exitCode] of [
    ['SIGTERM', 143],
    ['SIGINT', 130]
  ] as const) {
    t.test(signal, async t => {
      const server = await fakeServer(t, [file], {
        onEntry: ({ response, nth, answer }) => {
          if (nth > 0) return answer()
          response.writeHead(200, { 'content-length': file.bytes.length })
          response.write(file.bytes.subarray(0, 100 * KiB), () => run.child.kill(signal))
        }
      })
      const run = start(t, server.url)

      const { code, lines } = await run.ended

      t.equal(code, exitCode)
      t.match(lines.at(-1), { event: 'stopped by a signal', exitCode })
      const part = await readFile(join(run.folder, 'into', `.partial-${bundleId}`, '0.part'))
      t.ok(file.bytes.subarray(0, part.length).equals(part))
    })
  }
})

t.test('--help tells how to use it and exits 0', async t => {
  const child = spawn(process.execPath, [main, '--help'], { stdio: ['ignore', 'pipe', 'inherit'] })

  const [stdout] = await Promise.all([text(child.stdout), once(child, 'close')])

  t.equal(child.exitCode, 0)
  t.match(stdout, /^spark-stage-init --server URL/)
})

t.test('without any option the termination log of the environment gets the reason', async t => {
  const log = join(temporaryFolder(t), 'log')
  const env = { ...process.env, SPARK_STAGE_TERMINATION_LOG: log }
  const child = spawn(process.execPath, [main, 'stray'], { env, stdio: 'ignore' })

  await once(child, 'close')

  t.equal(child.exitCode, exitCodes.usage.code)
  t.match(await readFile(log, 'utf8'), /^usage: command line: expected the flags of --help/)
})
