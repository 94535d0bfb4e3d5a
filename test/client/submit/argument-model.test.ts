import { deepEqual } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import t from 'tap'
import {
  hasSwitch,
  lastOption,
  readArguments,
  splitConf,
  withValue,
  writeArguments
} from '../../../client/submit/argument-model.ts'
import { type SubmitOption, submitOptions, submitSwitches } from '../../../client/submit/submit-options.ts'

const allNames = [...submitOptions, ...submitSwitches].flatMap(({ names }) => names)

t.test('a list that is read and written is the same list', async t => {
  const word = fc.oneof(
    fc.constantFrom(...allNames, 'app.py', 'spark-internal', 'run-example', 'spark.jars=a.jar', '--', '-x'),
    fc.constantFrom('--jars=a.jar', '--verbose=1', '--unknown=1', '--unknown', 'org.apache.spark.repl.Main'),
    fc.string()
  )

  fc.assert(
    fc.property(fc.array(word), words => {
      deepEqual(writeArguments(readArguments(words).tokens), words)
    }),
    { numRuns: 300 }
  )

  t.pass('300 lists')
})

for (const version of ['3.5.7', '4.3.0']) {
  t.test(`every option in the help of spark-submit ${version} is known, with or without a value`, async t => {
    const help = await readFile(new URL(`fixtures/spark-submit-help-${version}.txt`, import.meta.url), 'utf8')
    const documented = [...help.matchAll(/^ {2,3}(--?[a-z].*?)(?: {2,}|$)/gm)].map(([, text = '']) => text)
    t.ok(documented.length > 25)

    for (const text of documented) {
      const names = text.match(/--?[a-z][a-z-]*/g) ?? []
      // These three take a value that the help does not show.
      const takesValue = / [A-Z]/.test(text) || /^--(?:packages|exclude-|repositories|driver-)/.test(text)
      const table: readonly SubmitOption[] = takesValue ? submitOptions : submitSwitches
      const row = table.find(option => option.names[0] === names[0])
      t.strictSame(row?.names, names, text)
    }
  })
}

t.test('what the tables have beyond the help of both versions is what no help shows', async t => {
  const helps = await Promise.all(
    ['3.5.7', '4.3.0'].map(version =>
      readFile(new URL(`fixtures/spark-submit-help-${version}.txt`, import.meta.url), 'utf8')
    )
  )

  const unshown = allNames.filter(
    name => !helps.some(help => new RegExp(`^ +(?:.*, )?${name}[ ,]`, 'm').test(help))
  )

  t.strictSame(unshown, ['--driver-default-class-path', '--extra-properties-file', '--usage-error'])
})

t.test(
  'the first word that is no option is the primary resource, and all after it the application',
  async t => {
    const submit = readArguments(['--name', '--jars', 'app.py', '--jars', 'x.jar', '-c'])

    t.match(submit, { action: 'submit', primary: 'app.py' })
    t.equal(lastOption(submit, '--name')?.value, '--jars', 'a value may look like an option')
    t.equal(lastOption(submit, '--jars'), undefined)
    t.strictSame(
      submit.tokens.map(({ type }) => type),
      ['option', 'primary', 'argument', 'argument', 'argument']
    )
  }
)

t.test('an option given twice counts as its last, an alias as its name', async t => {
  const submit = readArguments(['-c', 'a=1', '--conf=b=2', '-v', '--jars=x', '--jars', 'y', 'app.py'])

  t.strictSame(lastOption(submit, '--conf'), { value: 'b=2', at: 1 })
  t.strictSame(lastOption(submit, '--jars'), { value: 'y', at: 4 })
  t.equal(hasSwitch(submit, '--verbose'), true)
  t.equal(hasSwitch(submit, '--supervise'), false)
})

t.test('a value after = keeps the spelling it was given with, and so does its replacement', async t => {
  const { tokens } = readArguments(['-c', 'a=1', '--conf=a=1', 'app.py'])

  const replaced = tokens.map(token => (token.type === 'option' ? withValue(token, 'a=2') : token))

  t.strictSame(writeArguments(replaced), ['-c', 'a=2', '--conf=a=2', 'app.py'])
})

t.test('what spark-submit refuses is not read any further, and the reason is its own', async t => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['--unknown', 'app.py'], 'Unrecognized option: --unknown'],
    [['-c=a=1', 'app.py'], 'Unrecognized option: -c=a=1'],
    [['--', 'app.py'], 'Unrecognized option: --'],
    [['--jars=', 'app.py'], 'Unrecognized option: --jars='],
    [['--jars=a\u0085b', 'app.py'], 'Unrecognized option: --jars=a\u0085b'],
    [['--name'], "Missing argument for option '--name'."],
    [['-c'], "Missing argument for option '-c'."],
    [['--conf', 'a', 'app.py'], 'Invalid argument to --conf: a'],
    [['--name', 'x'], 'Missing application resource.']
  ]
  for (const [words, refusal] of cases) {
    const submit = readArguments(words)

    t.match(submit, { action: 'refused', refusal, primary: undefined }, refusal)
    t.strictSame(writeArguments(submit.tokens), words)
  }
})

t.test('an unknown option that holds its value is stepped over', async t => {
  const submit = readArguments(['--new=1', '--name', 'x', 'app.py'])

  t.match(submit, { action: 'submit', primary: 'app.py' })
  t.equal(lastOption(submit, '--name')?.value, 'x')
})

t.test('help, the version and questions about other submissions are no submission', async t => {
  for (const words of [
    [],
    ['-h', 'app.py'],
    ['--version'],
    ['--kill', 'x'],
    ['--status=x'],
    ['--usage-error']
  ]) {
    t.equal(readArguments(words).action, 'other', words.join(' '))
  }
  t.equal(readArguments(['run-example', 'SparkPi']).action, 'example')
  t.equal(readArguments(['pyspark-shell-main', '--version']).action, 'shell')
})

t.test('for the classes of Spark that allow it, options and arguments may be mixed', async t => {
  const words = [
    '--class',
    'org.apache.spark.repl.Main',
    'x',
    '-i',
    'y',
    '--jars',
    'a.jar',
    '--class',
    'B',
    'z'
  ]

  const submit = readArguments(words)

  t.match(submit, { action: 'submit', primary: 'spark-shell' })
  t.equal(lastOption(submit, '--jars')?.value, 'a.jar')
  t.strictSame(
    submit.tokens.filter(({ type }) => type === 'argument').flatMap(token => token.words),
    ['x', '-i', 'y', 'z']
  )
})

t.test('--conf is split at its first =', async t => {
  t.strictSame(splitConf('a=b=c'), { key: 'a', value: 'b=c' })
  t.strictSame(splitConf(' a = '), { key: ' a ', value: ' ' })
  t.equal(splitConf('a'), undefined)
})
