import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { describeGet, get } from '../../client/commands/get.ts'
import { put } from '../../client/commands/put.ts'
import { readGetOptions, readPutOptions } from '../../client/options.ts'
import { FetchError } from '../../init-container/fetch-bundle.ts'
import type { Report } from '../../shared/progress.ts'
import { answerError, type Fault, fakeBundleId, startFakeServer } from './fake-server.ts'
import { runClient } from './run-client.ts'

const never = new AbortController().signal

/** A fake server with two files in its bundle, and the options to fetch them. */
async function stage(t: Test, fault?: Fault) {
  const server = await startFakeServer(t, fault)
  const root = t.testdir({ src: { 'a.jar': 'jar', 'conf.json': '{}' } })
  const selections = [
    { kind: 'jars', flag: '--jar', text: join(root, 'src/a.jar') },
    { kind: 'files', flag: '--file', text: join(root, 'src/conf.json') }
  ] as const
  const tokenFile = join(root, 'token')
  const flags = { server: server.url, namespace: 'team-a', 'token-out': tokenFile }
  await put(readPutOptions(flags, selections, {}), await recordingReport(), never)
  const into = join(root, 'into')
  const bundle = `team-a/${fakeBundleId}`
  const common = { server: server.url, bundle, 'token-file': tokenFile, into, 'give-up-seconds': '5' }
  return { server, root, into, bundle, options: readGetOptions(common, {}) }
}

async function recordingReport() {
  const notes: string[] = []
  const phases: { title: string; totalBytes: number; doneBytes: number; ended: boolean }[] = []
  const report: Report = {
    begin: (title, totalBytes) => {
      const phase = { title, totalBytes, doneBytes: 0, ended: false }
      phases.push(phase)
      const move = (bytes: number) => {
        phase.doneBytes += bytes
      }
      const end = () => {
        phase.ended = true
      }
      return { move, end }
    },
    note: line => notes.push(line)
  }
  return { ...report, notes, phases }
}

t.test('get lays a bundle out, shows how far it is and prints the tree', async t => {
  const { options, into, bundle } = await stage(t)
  const report = await recordingReport()

  const result = await get(options, report, never)

  t.equal(await readFile(join(into, 'jars/a.jar'), 'utf8'), 'jar')
  t.strictSame(report.phases, [{ title: 'Fetching', totalBytes: 5, doneBytes: 5, ended: true }])
  t.equal(
    describeGet(result),
    `bundle    ${bundle}\nfetched   5 B of 5 B\n${into}\n├─ files/conf.json  2 B\n└─ jars/a.jar  3 B`
  )
})

t.test('get again fetches nothing', async t => {
  const { options } = await stage(t)
  await get(options, await recordingReport(), never)

  const result = await get(options, await recordingReport(), never)

  t.match(result, { fetchedBytes: 0, totalBytes: 5 })
  t.match(describeGet(result), 'fetched   0 B of 5 B; the rest was there already')
})

t.test('get does not touch a folder with files that are not ours', async t => {
  const { options, into, server } = await stage(t)
  await mkdir(join(into, 'jars'), { recursive: true })
  await writeFile(join(into, 'jars/a.jar'), 'mine')
  const askedBefore = server.requests.length
  const report = await recordingReport()

  await t.rejects(get(options, report, never), {
    exitCause: 'usage',
    message: /--into .* cannot be used\n {2}expected: a new or an empty folder.*\n {2}found: "jars"\n/
  })
  await writeFile(join(into, 'notes'), '')
  await t.rejects(get(options, report, never), { message: /found: "jars notes"/ })

  t.equal(await readFile(join(into, 'jars/a.jar'), 'utf8'), 'mine')
  t.strictSame(await readdir(into), ['jars', 'notes'])
  t.equal(server.requests.length, askedBefore, 'nothing was asked')
})

t.test('get goes on where an interrupted one stopped', async t => {
  const { options, into } = await stage(t)
  await get(options, await recordingReport(), never)
  await rm(join(into, '.spark-stage-complete'))
  await rm(join(into, 'jars/a.jar'))
  await mkdir(join(into, `.partial-${fakeBundleId}`))

  const result = await get(options, await recordingReport(), never)

  t.match(result, { fetchedBytes: 3, totalBytes: 5 })
})

t.test('what goes wrong on the way is told', async t => {
  const { options } = await stage(t, (request, response, number) => {
    if (!request.url?.endsWith('/entries/jars/a.jar') || number > 1) return false
    answerError(response, 503, 'STAGE_ERR_STOPPING')
    return true
  })
  const report = await recordingReport()

  const result = await get(options, report, never)

  t.equal(result.fetchedBytes, 5)
  t.match(report.notes.join('\n'), '503')
})

t.test('a failed fetch says which exit code it means', async t => {
  const { options } = await stage(t, (request, response) => {
    if (!request.url?.includes('/entries/')) return false
    answerError(response, 410, 'STAGE_ERR_GONE')
    return true
  })

  await t.rejects(get(options, await recordingReport(), never), { name: 'ClientError', exitCause: 'gone' })
})

t.test('a fetch stops when it is asked to', async t => {
  const { options } = await stage(t)

  await t.rejects(get(options, await recordingReport(), AbortSignal.abort()), { name: 'AbortError' })
})

t.test('a fault of the program stays what it is', async t => {
  const { options } = await stage(t)
  const fault = new TypeError('a fault')
  const { get: getWithFault } = await t.mockImport<typeof import('../../client/commands/get.ts')>(
    '../../client/commands/get.ts',
    {
      '../../init-container/fetch-bundle.ts': {
        fetchBundle: () => Promise.reject(fault),
        FetchError,
        fetchDefaults: { stallMs: 1 }
      }
    }
  )

  await t.rejects(getWithFault(options, await recordingReport(), never), fault)
})

t.test('spark-stage get works as a process, with lines or with JSON', async t => {
  const { server, root, bundle } = await stage(t)
  const args = ['get', '--server', server.url, '--bundle', bundle, '--token-file', 'token', '--into', 'into']

  const lines = await runClient(args, root)
  const json = await runClient([...args, '--json'], root)

  t.equal(lines.code, 0, lines.stderr)
  t.match(lines.stderr, /^Fetching: 5 B of 5 B.*\n$/)
  t.match(lines.stdout, '└─ jars/a.jar')
  t.equal(json.code, 0, json.stderr)
  t.match(JSON.parse(json.stdout), {
    bundle,
    into: 'into',
    fetchedBytes: 0,
    files: [{ path: 'files/conf.json' }, {}]
  })
})
