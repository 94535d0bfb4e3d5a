import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs, styleText } from 'node:util'
import { exitCodes } from '../shared/exit-codes.ts'
import { manifestPath } from '../shared/paths.ts'
import { formatBytes } from '../shared/units.ts'
import { compare, readManifest } from './demo/compare.ts'
import { curlCommands } from './demo/curl-commands.ts'
import { type DemoFile, namedFiles, wordCountFiles } from './demo/demo-files.ts'
import { say, step } from './demo/print.ts'
import { startServer } from './demo/programs.ts'
import { fetchAsPod, put, runInit } from './demo/stage-and-fetch.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    process.exitCode = 128 + constants.signals[name]
    stop.abort()
  })
}

try {
  // npm hands on every `--` but its first.
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2).filter(arg => arg !== '--'),
    options: { keep: { type: 'boolean', default: false } },
    allowPositionals: true
  })
  await demo(positionals, values.keep)
} catch (error) {
  if (stop.signal.aborted) say('\nStopped, nothing is left behind.')
  else {
    process.exitCode = 1
    process.stderr.write(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}\n`)
  }
}

async function demo(paths: readonly string[], keep: boolean): Promise<void> {
  const beganAt = performance.now()
  const home = await mkdtemp(join(tmpdir(), 'spark-stage-demo-'))
  try {
    const sources = paths.length > 0 ? await namedFiles(paths) : await wordCountFiles(join(home, 'packed'))
    step(1, 'Start a staging server on loopback, with a new store')
    await using server = await startServer(pathToFileURL(join(home, 'store')).href)
    say(`  ${server.url}`)

    step(2, paths.length > 0 ? 'Stage the files' : 'Stage the PySpark application of examples/word-count')
    const tokenFile = join(home, 'download.token')
    const bundle = await put(server.url, sources, tokenFile, 'shown', stop.signal)

    step(3, 'Fetch them as the init container of a driver pod does')
    const into = join(home, 'var-spark-stage')
    await fetchAsPod(server.url, bundle, tokenFile, into, stop.signal)

    step(4, 'Compare what is laid out with the source files')
    const entries = await readManifest(server.url, bundle, (await readFile(tokenFile, 'utf8')).trim())
    await showTree(into, entries, sources)

    step(5, 'Try to open the bundle with the token of another one')
    await refuseForeignToken(server.url, bundle, home)

    if (keep) {
      const someFile = sources[0]?.filePath ?? ''
      say('\nEverything stays up until Ctrl-C. Commands to play with:')
      for (const { title, command } of curlCommands({
        url: server.url,
        bundle,
        tokenFile,
        entries,
        someFile
      })) {
        say(`\n  # ${title}\n  ${command}`)
      }
      await Promise.race([server.ended, untilStopped()])
      process.exitCode = exitCodes.ok.code
    }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
  const tookSeconds = ((performance.now() - beganAt) / 1000).toFixed(1)
  step(6, 'The server is stopped and every temporary file removed')
  if (!keep) say(`  all in ${tookSeconds} s`)
}

async function showTree(
  into: string,
  entries: Awaited<ReturnType<typeof readManifest>>,
  sources: readonly DemoFile[]
): Promise<void> {
  const files = await compare(into, entries, sources, stop.signal)
  const width = Math.max(...files.map(({ path }) => path.length))
  say('  /var/spark-stage')
  for (const [index, { path, sizeBytes, mode, sha256, alias, isRight }] of files.entries()) {
    const branch = index === files.length - 1 ? '└─' : '├─'
    const size = formatBytes(sizeBytes).padStart(9)
    const mark = isRight ? styleText('green', '✓') : styleText('red', '✗')
    say(
      `  ${branch} ${path.padEnd(width)} ${size}  ${mode}  ${sha256.slice(0, 12)} ${mark}${alias ? `  as ${alias}` : ''}`
    )
  }
  const wrong = files.filter(({ isRight }) => !isRight)
  if (wrong.length > 0) throw new Error(`not what was staged: ${wrong.map(({ path }) => path).join(', ')}`)
  const distinct = new Set(entries.map(({ path }) => path)).size
  if (files.length !== distinct) throw new Error(`expected ${distinct} files, found ${files.length}`)
}

async function refuseForeignToken(url: string, bundle: string, home: string): Promise<void> {
  const tiny = join(home, 'tiny.txt')
  await writeFile(tiny, 'another bundle')
  const foreign = join(home, 'foreign.token')
  await put(url, [{ kind: 'files', flag: '--file', filePath: tiny }], foreign, 'silent', stop.signal)
  const headers = { authorization: `Bearer ${(await readFile(foreign, 'utf8')).trim()}` }
  const [owner = '', bundleId = ''] = bundle.split('/')
  const { status } = await fetch(new URL(manifestPath(owner, bundleId), url), { headers })
  const { code } = await runInit(url, bundle, foreign, join(home, 'nothing'), stop.signal)
  say(`  the server answers ${status}, spark-stage-init ends with ${code}`)
  if (status !== 401 || code !== exitCodes.refused.code) throw new Error('a foreign token was not refused')
}

function untilStopped(): Promise<void> {
  return new Promise(resolve => stop.signal.addEventListener('abort', () => resolve(), { once: true }))
}
