import t from 'tap'
import { bundleIdFor } from '../../../server/staging/bundle-id.ts'
import { isBundleId } from '../../../shared/names.ts'

t.test('the same namespace, principal and key are the same id', t => {
  const id = bundleIdFor('ns', 'alice', 'key')

  t.equal(isBundleId(id), true)
  t.equal(bundleIdFor('ns', 'alice', 'key'), id)
  // A change of these ids would let a retry across an upgrade stage twice.
  t.equal(id, 'c8ec8a94c01ca9e60f44f2d1897b1619')
  t.end()
})

t.test('no two different triples are the same id, however they are cut', t => {
  const triples = [
    ['ns', 'alice', 'key'],
    ['nsa', 'lice', 'key'],
    ['ns', 'alicek', 'ey'],
    ['n', 'salice', 'key'],
    ['ns', 'alice3:key', 'x'],
    ['ns', 'alice', '3:keyx']
  ] as const

  t.equal(
    new Set(triples.map(([namespace, principal, key]) => bundleIdFor(namespace, principal, key))).size,
    triples.length
  )
  t.end()
})

t.test('without a key every id is new', t => {
  const ids = Array.from({ length: 100 }, () => bundleIdFor('ns', 'alice', undefined))

  t.equal(new Set(ids).size, 100)
  t.ok(ids.every(isBundleId))
  t.end()
})
