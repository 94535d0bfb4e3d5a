import { PassThrough } from 'node:stream'
import t from 'tap'
import { openReport } from '../../shared/progress.ts'
import { MiB } from '../../shared/units.ts'

/** A stream that remembers, and a clock that is set by hand. */
function recorder(isTTY: boolean) {
  const out = Object.assign(new PassThrough(), { isTTY })
  const clock = { ms: 0 }
  return { out, clock, now: () => clock.ms, text: () => String(out.read() ?? '') }
}

t.test('lines tell of progress every few seconds and once at the end', async t => {
  const { out, clock, now, text } = recorder(false)
  const report = await openReport('lines', out, now)

  const progress = report.begin('Uploading', 10 * MiB)
  progress.move(MiB)
  clock.ms = 4000
  progress.move(MiB)
  clock.ms = 5000
  progress.move(MiB)
  progress.end()
  report.note('a note')

  t.equal(
    text(),
    'Uploading: 2.0 MiB of 10.0 MiB, 512.0 KiB/s, 16 s left\nUploading: 3.0 MiB of 10.0 MiB, 614.4 KiB/s, 11 s left\na note\n'
  )
})

t.test('a bar is drawn on a terminal and notes stand above it', async t => {
  const { out, clock, now, text } = recorder(true)
  const report = await openReport('bar', out, now)

  report.note('before')
  const progress = report.begin('Hashing', 4 * MiB)
  clock.ms = 1000
  progress.move(2 * MiB)
  report.note('in between')
  progress.move(2 * MiB)
  progress.end()

  const drawn = text()
  t.match(drawn, /^before\n/)
  t.match(drawn, /Hashing +━+─+.* 50% +2\.0 MiB of 4\.0 MiB, 2\.0 MiB\/s/)
  t.match(drawn, '\r\u001b[Kin between\n')
  t.match(drawn, /100% +4\.0 MiB of 4\.0 MiB/)
  t.match(drawn, '\u001b[?25h', 'the cursor is shown again')
})

t.test('a bar over nothing ends full', async t => {
  const { out, now, text } = recorder(true)
  const report = await openReport('bar', out, now)

  report.begin('Hashing', 0).end()

  t.match(text(), /100% +0 B of 0 B/)
})

t.test('quiet says nothing', async t => {
  const { out, now, text } = recorder(true)
  const report = await openReport('quiet', out, now)

  const progress = report.begin('Hashing', 1)
  progress.move(1)
  progress.end()
  report.note('nothing')

  t.equal(text(), '')
})
