import t from 'tap'
import { readSparkUri, stagedUri, whyNoAlias, whyNotCarried } from '../../../client/submit/spark-uri.ts'

t.test('an entry with a scheme is remote, unless the scheme is file', async t => {
  for (const text of [
    'https://h/a.jar?x=[1]#f',
    's3a://bucket/a%20b.jar',
    'local:///a.jar',
    'local:/a.jar',
    'ivy:x',
    'a:b'
  ]) {
    t.strictSame(readSparkUri(text), { type: 'remote' }, text)
  }
})

t.test('what is a URI is decoded, and # begins an alias', async t => {
  const cases = [
    ['a%20b.txt#x', 'a b.txt', 'x'],
    ['file:///a/b%23c.txt', '/a/b#c.txt', undefined],
    ['file:/a.txt#x%20y', '/a.txt', 'x y'],
    ['FILE:/a.txt', '/a.txt', undefined],
    ['é.txt#ü', 'é.txt', 'ü'],
    ['a%ff.txt#x', 'a\ufffd.txt', 'x'],
    ['x?.jar#y', 'x', 'y'],
    ['//host/x#y', '/x', 'y'],
    ['a#', 'a', ''],
    ['//#x', '', 'x']
  ] as const
  for (const [text, path, alias] of cases) {
    const more = alias === undefined ? {} : { alias }
    t.strictSame(readSparkUri(text), { type: 'local', path, ...more, isCanonical: false }, text)
  }
})

t.test('what is no URI, and what has neither scheme nor alias, is a path as it stands', async t => {
  for (const text of [
    'a%20b.txt',
    'a b.txt#x',
    'a#b#c',
    'x^.jar#f',
    '50%.csv#x',
    'lib/[ab].jar',
    'lib/{a}.jar',
    '1:b.jar',
    ':x',
    'file:',
    'file://',
    'http://h/a b.jar',
    's3a://b ucket/x',
    'a\u00a0b#x',
    'a\u2028b#x',
    'a\u0080b#x',
    'x?a b#y',
    'a:b c',
    ' a.jar'
  ]) {
    t.strictSame(readSparkUri(text), { type: 'local', path: text, isCanonical: true }, encodeURI(text))
  }
})

t.test('a file: URI needs an absolute path and no host', async t => {
  t.match(readSparkUri('file:a.jar'), { type: 'malformed', reason: /begins with/ })
  t.match(readSparkUri('file:?'), { type: 'malformed', reason: /begins with/ })
  t.match(readSparkUri('file://home/a.jar'), { type: 'malformed', reason: /no host/ })
})

t.test('a staged file is named by its mount table, percent-encoded, and its alias as it is', async t => {
  t.equal(stagedUri('ab', 'jars/a.jar'), 'viewfs://spark-stage-ab/jars/a.jar')
  t.equal(stagedUri('ab', 'files/50% #é.csv', 'é'), 'viewfs://spark-stage-ab/files/50%25%20%23%C3%A9.csv#é')
})

t.test('names that Spark loses or stumbles over are refused, others are not', async t => {
  for (const character of ',[]{}*?:') {
    t.match(whyNotCarried(`a${character}b`), `with ${character} in its name`)
  }
  for (const name of ['a !"#$%&\'()+-.;<=>@^_`|~é日b', 'a']) t.equal(whyNotCarried(name), undefined)
})

t.test('aliases that would not survive being decoded are refused', async t => {
  for (const alias of ['', 'a b', 'a%b', 'a#b', 'a,b', 'a/b', 'a:b', 'a?b', 'a[b', 'a{b', 'a^b', 'a"b']) {
    t.type(whyNoAlias(alias), 'string', alias)
  }
  for (const alias of ["a!$&'()+-.;=@_~b", 'é日', 'env']) t.equal(whyNoAlias(alias), undefined)
})
