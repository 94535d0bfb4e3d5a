import { deepEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { rewriteArguments } from '../../../client/submit/rewrite-arguments.ts'
import type { Disk } from './fake-disk.ts'
import { bundleId, readSubmission, rewriteSubmission } from './read-submission.ts'

const disk: Disk = { '/home/me/a.jar': 'file', '/home/me/b.jar': 'file', '/home/me/app.py': 'file' }

/** Entries of a list that stay as they are. */
const remote = fc.constantFrom('https://h/x.jar', 'local:///y.jar', 's3a://b/z%20.jar#z', '')
const entry = fc.oneof(remote, fc.constantFrom('a.jar', 'file:///home/me/b.jar', 'a.jar#c.jar'))

/** Options that have nothing to do with dependencies, each as its words. */
const otherOption = fc.oneof(
  fc.constantFrom(
    ['-v'],
    ['--supervise'],
    ['--name=x'],
    ['--name', 'a.jar'],
    ['-c', 'spark.x=a.jar'],
    ['--later=1']
  ),
  fc.string().map(value => ['--queue', value]),
  fc.string().map(value => ['-c', `spark.y=${value}`])
)

t.test('arguments that need no change come out identical and in order, and remote entries stay', async t => {
  const submission = fc.record({
    before: fc.array(otherOption, { maxLength: 4 }),
    jars: fc.array(entry, { minLength: 1, maxLength: 4 }),
    spelling: fc.constantFrom('--jars', '--jars=', '-c', '--conf='),
    after: fc.array(otherOption, { maxLength: 4 }),
    primary: fc.constantFrom('local:///app.py', 'app.py'),
    rest: fc.array(fc.oneof(fc.string(), fc.constantFrom('--jars', 'a.jar')))
  })

  await fc.assert(
    fc.asyncProperty(submission, async ({ before, jars, spelling, after, primary, rest }) => {
      const list = jars.join(',')
      // spark-submit takes --jars= for an option that it does not know.
      fc.pre(spelling !== '--jars=' || list !== '')
      const spelled = spell(spelling, list)
      const words = [...before.flat(), ...spelled, ...after.flat(), primary, ...rest]

      const rewritten = rewriteSubmission(await readSubmission(words, { disk }))

      const isLocal = primary === 'app.py' || /\b[ab]\.jar/.test(list)
      if (!isLocal) return deepEqual(rewritten, words)
      const staged = jars.map(stagedEntry).join(',')
      const head = [...before.flat(), ...spell(spelling, staged), ...after.flat()]
      deepEqual(rewritten.slice(0, head.length), head)
      const tail = [primary === 'app.py' ? uri('app/app.py') : primary, ...rest]
      deepEqual(rewritten.slice(-tail.length), tail)
      const added = rewritten.slice(head.length, -tail.length)
      equal(added.length, list === staged ? 2 : 4)
    }),
    { numRuns: 100 }
  )

  t.pass('100 command lines')
})

t.test('a property that was said twice on the command line is changed where it counts', async t => {
  const avoid = 'spark.kubernetes.jars.avoidDownloadSchemes'
  const words = ['-c', `${avoid}=a`, '-c', `${avoid}= b ,`, '--jars', 'a.jar', 'local:///app.py']

  const rewritten = rewriteSubmission(await readSubmission(words, { disk }))

  t.strictSame(rewritten.slice(0, 4), ['-c', `${avoid}=a`, '-c', `${avoid}= b ,viewfs`])
})

t.test('executors are sent past the driver for jars only', async t => {
  const isAvoiding = async (...words: readonly string[]) =>
    rewriteSubmission(await readSubmission(words, { disk })).some(word =>
      word.includes('avoidDownloadSchemes')
    )

  t.equal(await isAvoiding('--class', 'A', 'a.jar'), true)
  t.equal(await isAvoiding('--jars', 'a.jar', 'app.py'), true)
  t.equal(await isAvoiding('--files', 'a.jar', 'app.py'), false)
  t.equal(await isAvoiding('--py-files', 'a.jar', '--class', 'A', 'https://h/x.jar'), false)
})

t.test('a path that was not staged is a fault of the caller', async t => {
  const submission = await readSubmission(['app.py'], { disk })

  t.throws(() => rewriteArguments(submission, { bundleId, stagingDirectory: '/s', paths: new Map() }), {
    message: 'not staged: /home/me/app.py'
  })
})

/** The list as an option or as a property, after `--jars=` and its like in one word. */
function spell(spelling: string, list: string): readonly string[] {
  if (spelling === '-c') return ['-c', `spark.jars=${list}`]
  if (spelling === '--conf=') return [`--conf=spark.jars=${list}`]
  return spelling === '--jars' ? ['--jars', list] : [`--jars=${list}`]
}

function stagedEntry(text: string): string {
  const staged = new Map([
    ['a.jar', uri('jars/a.jar')],
    ['file:///home/me/b.jar', uri('jars/b.jar')],
    ['a.jar#c.jar', `${uri('jars/a.jar')}#c.jar`]
  ])
  return staged.get(text) ?? text
}

function uri(path: string): string {
  return `viewfs://spark-stage-${bundleId}/${path}`
}
