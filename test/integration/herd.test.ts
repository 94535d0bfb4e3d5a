import { join } from 'node:path'
import t, { type Test } from 'tap'
import { entryPath } from '../../shared/paths.ts'
import { MiB, secondMs } from '../../shared/units.ts'
import { sha256sums, writeRandomFile } from './helpers/files.ts'
import type { HerdResult } from './helpers/herd-clients.ts'
import { fetchInto, namespace, put, repositoryPath, startStage } from './helpers/programs.ts'
import { laidOutFile } from './helpers/staged-file.ts'
import { startProcess } from './helpers/start-process.ts'
import { startProxy } from './helpers/tcp-proxy.ts'
import { testFolder } from './helpers/test-folder.ts'

const processCount = 2

/** A server with one staged file of so many bytes. */
async function stageFile(t: Test, fileBytes: number, env: Readonly<Record<string, string>> = {}) {
  const home = testFolder(t)
  const path = await writeRandomFile(join(home, 'data.bin'), fileBytes)
  const stage = await startStage(t, { home, env })
  const staged = await put(t, { ...stage, files: ['--file', path], tokenFile: join(home, 'token') })
  return {
    home,
    path,
    stage,
    staged,
    url: stage.url + entryPath(namespace, staged.bundleId, 'files/data.bin')
  }
}

t.test('500 clients at once for 64 MiB each: none fails, none waits long, and memory stays flat', async t => {
  const clientCount = 500
  const fileBytes = 64 * MiB
  const { path, stage, staged, url } = await stageFile(t, fileBytes)
  const env = {
    HERD_URL: url,
    HERD_TOKEN: staged.token,
    HERD_FILE: path,
    HERD_COUNT: String(clientCount / processCount)
  }
  const startedMs = performance.now()

  const herds = Array.from({ length: processCount }, () =>
    startProcess(t, process.execPath, [repositoryPath('test/integration/helpers/herd-clients.ts')], { env })
  )
  const results: HerdResult[] = []
  for (const herd of herds) results.push(...JSON.parse(await herd.line('herd results')).results)

  const seconds = (performance.now() - startedMs) / secondMs
  const times = results.map(({ ms }) => ms).sort((a, b) => a - b)
  const [medianMs = 0, slowestMs = 0] = [times[clientCount / 2], times.at(-1)]
  const peakBytes = await stage.peakBytes()
  t.comment(`${Math.round((clientCount * fileBytes) / 1e6 / seconds)} MB/s in all, ${Math.round(seconds)} s`)
  t.comment(`median ${Math.round(medianMs)} ms, slowest ${Math.round(slowestMs)} ms`)
  t.comment(`most memory of the server: ${Math.round(peakBytes / MiB)} MiB`)
  t.equal(results.length, clientCount)
  t.same(new Set(results.map(({ status }) => status)), new Set([200]))
  t.same(new Set(results.map(({ rightBytes }) => rightBytes)), new Set([fileBytes]))
  t.ok(slowestMs <= 3 * medianMs)
  t.ok(peakBytes <= 200 * MiB)
})

t.test('init containers that wait longer than they bear get their files all the same', async t => {
  const env = { SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: '1', SPARK_STAGE_IDLE_SECONDS: '2' }
  const { home, path, stage, staged } = await stageFile(t, 24 * MiB, env)
  // Each takes a few times the stall limit for the file, so whoever comes after it must ask again.
  const proxy = await startProxy(t, stage.url, {
    onDown: () => new Promise(resolve => setTimeout(resolve, 5))
  })
  const intos = Array.from({ length: 4 }, (_, n) => join(home, `into-${n}`))

  const fetches = await Promise.all(
    intos.map(into => fetchInto(t, { url: proxy.url, staged, into, more: ['--stall-seconds', '1'] }))
  )

  t.ok(
    fetches.some(({ stdout }) => stdout.includes('"event":"asking again"')),
    'some had to ask again'
  )
  for (const into of intos) t.same(await sha256sums([laidOutFile(into)]), await sha256sums([path]))
})
