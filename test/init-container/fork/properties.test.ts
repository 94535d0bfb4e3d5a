import t from 'tap'
import { parseProperties } from '../../../init-container/fork/properties.ts'

const read = (text: string) => Object.fromEntries(parseProperties(text))

t.test('what java.util.Properties stores is read back', async t => {
  const text = [
    '#Java properties built from Kubernetes config map with name: spark-init',
    '#Sun Nov 22 20:00:00 UTC 2026',
    'spark.kubernetes.resourceStagingServer.uri=http\\://10.0.0.1\\:10000',
    'key\\ with\\=signs=value \\\\ and \\#',
    'unicode=\\u00fc\\u4E2D',
    ''
  ].join('\r\n')

  t.same(read(text), {
    'spark.kubernetes.resourceStagingServer.uri': 'http://10.0.0.1:10000',
    'key with=signs': 'value \\ and #',
    unicode: 'ü中'
  })
})

for (const [claim, text, expected] of [
  ['nothing', '', {}],
  ['only comments and blank lines', '  # a=b\n\t! c=d\n \n\n', {}],
  ['a colon', 'a:b', { a: 'b' }],
  ['white space between', 'a   b c', { a: 'b c' }],
  ['white space around the sign', '  a \t= b ', { a: 'b' }],
  ['a second sign', 'a==b', { a: '=b' }],
  ['a key alone', 'a', { a: '' }],
  ['a value alone', '=b', { '': 'b' }],
  ['a continued line', 'a=b,\\\n   c,\\\r\n\td', { a: 'b,c,d' }],
  ['a continued line that is a comment for the eye', 'a=b\\\n#c', { a: 'b#c' }],
  ['a backslash that is one', 'a=b\\\\\nc=d', { a: 'b\\', c: 'd' }],
  ['a file that ends in a continued line', 'a=b\\', { a: 'b' }],
  ['escapes', 'a=\\t\\n\\r\\f\\q', { a: '\t\n\r\fq'.trimEnd() }],
  ['a key twice', 'a=b\na=c', { a: 'c' }],
  ['a name that every object has', '__proto__=b', Object.fromEntries([['__proto__', 'b']])]
] as const) {
  t.test(`${claim} is read as Java reads it`, async t => {
    t.same(read(text), expected)
  })
}
