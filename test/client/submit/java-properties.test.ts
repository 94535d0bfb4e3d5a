import t from 'tap'
import { parseJavaProperties } from '../../../client/submit/java-properties.ts'

/** What Java 17 makes of each text, asked of it. */
const cases: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['', {}],
  ['a=1\nb:2\nc 3\nd\t4', { a: '1', b: '2', c: '3', d: '4' }],
  ['a = 1', { a: '1' }],
  ['a   1', { a: '1' }],
  ['a : = 1', { a: '= 1' }],
  ['a==1', { a: '=1' }],
  ['a', { a: '' }],
  ['=1', { '': '1' }],
  ['a=1 ', { a: '1 ' }],
  ['  # x\n! y\n\n \t\f\na=1 # no comment', { a: '1 # no comment' }],
  ['a=1\r\nb=2\rc=3', { a: '1', b: '2', c: '3' }],
  ['a=1,\\\n   2,\\\r\n   3', { a: '1,2,3' }],
  ['a=1\\\\\nb=2', { a: '1\\', b: '2' }],
  ['a=1\\\\\\\n2', { a: '1\\2' }],
  ['a=1\\\n\nb=2', { a: '1', b: '2' }],
  ['a=1\\\n#2', { a: '1#2' }],
  ['# x\\\na=1', { a: '1' }],
  ['\\\na=1', { a: '1' }],
  ['\\\n\na=1', { a: '1' }],
  ['\\\n#b=2\na=1', { a: '1' }],
  ['a=1\\', { a: '1' }],
  ['a\\ b\\=\\:c=1', { 'a b=:c': '1' }],
  ['\\#a=1', { '#a': '1' }],
  ['a=\\t\\n\\r\\f\\x\\"', { a: '\t\n\r\fx"' }],
  ['a=\\u0041\\u00e9', { a: 'Aé' }],
  ['a=1\na=2', { a: '2' }],
  ['spark.jars  /a.jar,/b.jar', { 'spark.jars': '/a.jar,/b.jar' }],
  ['é=日', { é: '日' }]
]

t.test('properties files are read as Java reads them', async t => {
  for (const [text, expected] of cases) {
    t.strictSame(Object.fromEntries(parseJavaProperties(text)), expected, JSON.stringify(text))
  }
})

t.test('a malformed \\u is an error, as in Java', async t => {
  for (const text of ['a=\\u12', 'a=\\u', 'a=\\u12g4', '\\uu041=1']) {
    t.throws(() => parseJavaProperties(text), SyntaxError, text)
  }
})
