import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { JsonReport, writeTerminationLog } from '../../init-container/report.ts'

t.test('an event is one JSON line', async t => {
  const lines: string[] = []
  const report = new JsonReport(
    line => lines.push(line),
    () => 0
  )

  report.event('warn', 'asking again', { file: 'a\nb', waitMs: 5 })
  report.event('info', 'bare')

  t.same(lines, [
    '{"time":"1970-01-01T00:00:00.000Z","level":"warn","event":"asking again","file":"a\\nb","waitMs":5}\n',
    '{"time":"1970-01-01T00:00:00.000Z","level":"info","event":"bare"}\n'
  ])
})

t.test('progress is a line every five seconds, however often it is told', async t => {
  const lines: string[] = []
  let nowMs = 0
  const report = new JsonReport(
    line => lines.push(line),
    () => nowMs
  )

  for (; nowMs <= 12_000; nowMs += 100) {
    report.progress({ fileCount: 2, doneFileCount: 1, sizeBytes: 12_000, doneBytes: nowMs })
  }

  t.equal(lines.length, 2)
  t.match(JSON.parse(lines[0] ?? ''), { event: 'fetching', fileCount: 2, doneFileCount: 1, doneBytes: 5000 })
})

t.test('the clock of a report is the time of day unless told otherwise', async t => {
  const lines: string[] = []

  new JsonReport(line => lines.push(line)).event('info', 'now')

  t.match(lines[0], `"time":"${new Date().getFullYear()}`)
})

t.test('the termination log gets the line, cut to what Kubernetes keeps', async t => {
  const file = join(t.testdir({ log: 'older' }), 'log')

  writeTerminationLog(file, 'gone: why')
  t.equal(await readFile(file, 'utf8'), 'gone: why\n')

  writeTerminationLog(file, 'x'.repeat(5000))
  t.equal((await stat(file)).size, 4096)
})

t.test('a termination log that cannot be written is passed over, and none appears in /dev', async t => {
  const folder = t.testdir()

  writeTerminationLog(join(folder, 'no/such/folder'), 'line')
  writeTerminationLog(folder, 'line')
  writeTerminationLog('/dev/spark-stage-test', 'line')

  await t.rejects(stat('/dev/spark-stage-test'), { code: 'ENOENT' })
})
