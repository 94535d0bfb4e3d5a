import t from 'tap'
import { type Entry, parseManifest, stagedFiles } from '../../shared/manifest.ts'

const digest = 'a'.repeat(64)
const entry: Entry = {
  kind: 'jars',
  name: 'a.jar',
  path: 'jars/a.jar',
  sizeBytes: 1,
  sha256: digest,
  executable: false
}
const manifest = { bundleId: 'b', namespace: 'n', createdAt: '2026-01-01T00:00:00Z', entries: [entry] }
const parse = (changes: object) => () => parseManifest({ ...manifest, ...changes }, 'n', 'b')

t.test('a good manifest is believed, and nothing beyond its known fields', t => {
  const entries = [{ ...entry, alias: 'x', extra: 'y', executable: 'yes' }]

  t.strictSame(parse({ entries, extra: 1 })(), { ...manifest, entries: [{ ...entry, alias: 'x' }] })
  t.end()
})

for (const value of [null, 'text', [], {}, { entries: {} }]) {
  t.test(`${JSON.stringify(value)} is no manifest`, t => {
    t.throws(() => parseManifest(value, 'n', 'b'), {
      message: 'expected a manifest with a list of entries, found something else'
    })
    t.end()
  })
}

t.test('the manifest of another bundle is refused', t => {
  for (const other of [{ bundleId: 'c' }, { namespace: 'm' }]) {
    t.throws(parse(other), { message: "expected the manifest of n/b, found another bundle's" })
  }
  t.end()
})

const bad: readonly (readonly [claim: string, changes: object, found: RegExp])[] = [
  ['an unknown kind', { kind: 'x' }, /Unknown kind of entry: "x"$/],
  ['a name with a path', { name: '../x' }, /not a plain file name: "\.\.\/x"$/],
  ['an alias with a path', { alias: '/x' }, /The alias .* is not a plain file name: "\/x"$/],
  ['a path elsewhere', { path: 'files/a.jar' }, /path "files\/a\.jar"$/],
  ['a path that is only a kind', { path: 'jars' }, /path "jars"$/],
  ['a path that goes deeper', { path: 'jars/a/b' }, /path "jars\/a\/b"$/],
  ['a path that climbs', { path: 'jars/..' }, /not a plain file name: "\.\."$/],
  ['a negative size', { sizeBytes: -1 }, /sizeBytes -1$/],
  ['a size that is text', { sizeBytes: '1' }, /sizeBytes 1$/],
  ['no digest', { sha256: undefined }, /sha256 undefined$/]
]

for (const [claim, changes, found] of bad) {
  t.test(`an entry with ${claim} is refused, with its position`, t => {
    const parsing = parse({ entries: [entry, { ...entry, ...changes }] })

    t.throws(parsing, { message: /^expected a good entry at position 1 of the manifest, found: / })
    t.throws(parsing, { message: found })
    t.end()
  })
}

t.test('entries with equal bytes may share a file, which is executable if one of them is', t => {
  const { path, sizeBytes, sha256 } = entry
  const files = stagedFiles([entry, { ...entry, alias: 'x', executable: true }, { ...entry, alias: 'y' }])

  t.strictSame(files, [{ path, sizeBytes, sha256, executable: true }])
  t.end()
})

t.test('two different files at one path are refused', t => {
  t.throws(parse({ entries: [entry, { ...entry, sha256: 'b'.repeat(64) }] }), {
    message: 'expected one file at jars/a.jar, found two'
  })
  t.end()
})
