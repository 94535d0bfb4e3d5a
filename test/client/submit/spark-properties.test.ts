import t from 'tap'
import { readArguments } from '../../../client/submit/argument-model.ts'
import { defaultsPath, effectiveValue, readProperties } from '../../../client/submit/spark-properties.ts'

/** Reads properties where `spark-defaults.conf` is `/spark-defaults.conf`. */
function read(words: readonly string[], texts: Readonly<Record<string, string>>) {
  const files = { defaultsPath: '/spark-defaults.conf', read: async (path: string) => texts[path] }
  return readProperties(readArguments(words), files)
}

const texts = {
  '/spark-defaults.conf':
    'spark.a=defaults\nspark.b=defaults\nspark.c=defaults\nspark.d=defaults\nspark.e=defaults',
  'p.conf': 'spark.a=file\nspark.b=file\nspark.c=file\nspark.d=file',
  'x.conf': 'spark.a=x\nspark.b=x\nspark.c=x',
  'y.conf': 'spark.a=y\nspark.b=y'
}

t.test(
  '--conf wins over extra files, the later first, then the properties file, then the defaults',
  async t => {
    const words = ['--extra-properties-file', 'x.conf', '-c', 'spark.a=0', '-c', 'spark.a=conf']
    const more = [
      '--properties-file=p.conf',
      '--load-spark-defaults',
      '--extra-properties-file',
      'y.conf',
      'app.py'
    ]

    const properties = await read([...words, ...more], texts)

    t.strictSame(Object.fromEntries(properties), {
      'spark.a': { value: 'conf', source: { by: 'token', at: 2 } },
      'spark.b': { value: 'y', source: { by: 'file', path: 'y.conf' } },
      'spark.c': { value: 'x', source: { by: 'file', path: 'x.conf' } },
      'spark.d': { value: 'file', source: { by: 'file', path: 'p.conf' } },
      'spark.e': { value: 'defaults', source: { by: 'file', path: '/spark-defaults.conf' } }
    })
  }
)

t.test('of two properties files the last is read, and then no defaults', async t => {
  const properties = await read(
    ['--properties-file', 'y.conf', '--properties-file', 'p.conf', 'app.py'],
    texts
  )

  t.equal(properties.get('spark.b')?.value, 'file')
  t.notOk(properties.has('spark.e'))
})

t.test('with extra files alone the defaults are read too', async t => {
  const properties = await read(['--extra-properties-file', 'y.conf', 'app.py'], texts)

  t.equal(properties.get('spark.a')?.value, 'y')
  t.equal(properties.get('spark.c')?.value, 'defaults')
})

t.test('values from files are trimmed but for line ends, and only keys of Spark count', async t => {
  const text = 'spark.a= \t x y \t \nspark.b=\\n x \\r\nspark.c=   \nhadoop.x=1\nspark=1'

  const properties = await read(['-c', 'spark.d= x ', '-c', 'other=1', 'app.py'], {
    '/spark-defaults.conf': text
  })

  t.strictSame(
    [...properties].map(([key, { value }]) => [key, value]),
    [
      ['spark.a', 'x y'],
      ['spark.b', '\n x \r'],
      ['spark.c', ''],
      ['spark.d', ' x ']
    ]
  )
})

t.test('defaults may be missing, a file that an option names may not', async t => {
  t.equal((await read(['app.py'], {})).size, 0)
  const nowhere = { defaultsPath: undefined, read: async () => 'spark.a=1' }
  t.equal((await readProperties(readArguments(['app.py']), nowhere)).size, 0)
  for (const option of ['--properties-file', '--extra-properties-file']) {
    await t.rejects(read([option, 'none.conf', 'app.py'], {}), {
      exitCause: 'usage',
      message: `${option} "none.conf": there is no such file`
    })
  }
})

t.test('a malformed file is refused by its name', async t => {
  await t.rejects(read(['app.py'], { '/spark-defaults.conf': 'spark.a=\\u12' }), {
    exitCause: 'usage',
    message: '"/spark-defaults.conf": malformed \\uXXXX: \\u12'
  })
})

t.test('a fault that is none of the text is not hidden', async t => {
  // A boundary: only a broken reader gives anything but text.
  const files = { defaultsPath: '/x', read: async () => 7 as unknown as string }

  await t.rejects(readProperties(readArguments(['app.py']), files), TypeError)
})

t.test('an option wins over its property, and its last value over its first', async t => {
  const submit = readArguments([
    '--master',
    'a',
    '--master',
    'b',
    '-c',
    'spark.master=c',
    '-c',
    'spark.files=f',
    'app.py'
  ])
  const properties = await readProperties(submit, { defaultsPath: undefined, read: async () => undefined })

  t.equal(effectiveValue(submit, properties, '--master')?.value, 'b')
  t.strictSame(effectiveValue(submit, properties, '--files'), { value: 'f', source: { by: 'token', at: 3 } })
  t.equal(effectiveValue(submit, properties, '--deploy-mode'), undefined)
  t.equal(effectiveValue(submit, properties, '--proxy-user'), undefined)
})

t.test('the defaults are looked for where Spark looks for them', async t => {
  t.equal(defaultsPath({ SPARK_CONF_DIR: '/c', SPARK_HOME: '/s' }), '/c/spark-defaults.conf')
  t.equal(defaultsPath({ SPARK_CONF_DIR: '', SPARK_HOME: '/s' }), '/s/conf/spark-defaults.conf')
  t.equal(defaultsPath({}), undefined)
})
