import t from 'tap'
import {
  checkAlias,
  checkKind,
  checkName,
  checkNamespace,
  isBundleId,
  isSha256,
  kinds,
  splitAlias
} from '../../shared/names.ts'

t.test('the kinds are those of Spark’s own configuration', t => {
  for (const kind of kinds) t.equal(checkKind(kind), kind)
  for (const kind of ['', 'jar', 'JARS', 'jars ', '__proto__'])
    t.throws(() => checkKind(kind), { code: 'STAGE_ERR_BAD_KIND' })
  t.end()
})

t.test('a name is one component of a path, and nothing else', t => {
  for (const name of ['a', '.a', '...', 'a b', '日本', '#', '%', 'x'.repeat(255)])
    t.equal(checkName(name), name)
  for (const name of [
    '',
    '.',
    '..',
    '/',
    'a/',
    '\\',
    'a\0',
    '\u009f',
    '\u2029',
    '\ufffd',
    '\udc00',
    'é'.repeat(128)
  ]) {
    t.throws(() => checkName(name), { code: 'STAGE_ERR_BAD_NAME' })
    t.throws(() => checkAlias(name), { code: 'STAGE_ERR_BAD_ALIAS' })
  }
  t.end()
})

t.test('a namespace is a DNS label', t => {
  for (const namespace of ['a', '0', 'a-b', 'a'.repeat(63)]) t.equal(checkNamespace(namespace), namespace)
  for (const namespace of ['', '-', 'a-', 'A', 'a.b', 'a\n', 'a'.repeat(64), '..', 'ａ']) {
    t.throws(() => checkNamespace(namespace), { code: 'STAGE_ERR_BAD_NAMESPACE' })
  }
  t.end()
})

t.test('ids and digests are lowercase hex of their length', t => {
  t.equal(isBundleId('0'.repeat(32)), true)
  t.equal(isSha256('f'.repeat(64)), true)
  for (const text of ['', '0'.repeat(31), `${'0'.repeat(32)}\n`, 'G'.repeat(32), 'F'.repeat(32)])
    t.equal(isBundleId(text), false)
  for (const text of ['', 'f'.repeat(63), 'F'.repeat(64), 'f'.repeat(65)]) t.equal(isSha256(text), false)
  t.end()
})

t.test('an alias is what follows the last #', t => {
  t.strictSame(splitAlias('env.tgz'), { name: 'env.tgz' })
  t.strictSame(splitAlias('env.tgz#env'), { name: 'env.tgz', alias: 'env' })
  t.strictSame(splitAlias('a#b#c'), { name: 'a#b', alias: 'c' })
  t.strictSame(splitAlias('a#'), { name: 'a', alias: '' })
  t.strictSame(splitAlias('#a'), { name: '', alias: 'a' })
  t.end()
})
