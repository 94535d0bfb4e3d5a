import { randomBytes } from 'node:crypto'
import { rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ensureKey, KeyRing } from '../../../server/tokens/key-ring.ts'
import { hourMs, secondMs } from '../../../shared/units.ts'
import { TestClock } from '../../helpers/test-clock.ts'

const noTrouble = () => {}
const addKey = (directory: string, kid: string) => writeFile(join(directory, kid), randomBytes(32))

/** A ring over a directory with these keys, activated after 300 seconds. */
async function openRing(t: Test, kids: readonly string[]) {
  const directory = t.testdir(Object.fromEntries(kids.map(kid => [kid, kid.padEnd(32, 'x')])))
  const clock = new TestClock()
  const troubles: string[] = []
  const ring = await KeyRing.open(directory, 300 * secondMs, clock.now, error => troubles.push(String(error)))
  return { directory, clock, troubles, ring }
}

t.test('a key signs at once when it is alone', async t => {
  const { ring } = await openRing(t, ['only'])

  t.equal((await ring.signing()).kid, 'only')
})

t.test('the greatest key signs once it has been seen for the activation time', async t => {
  const { ring, clock, directory } = await openRing(t, ['key-1'])
  await addKey(directory, 'key-2')
  clock.advance(10 * secondMs)

  t.equal((await ring.signing()).kid, 'key-1')
  clock.advance(299 * secondMs)
  t.equal((await ring.signing()).kid, 'key-1')
  clock.advance(1 * secondMs)
  t.equal((await ring.signing()).kid, 'key-2')
})

t.test('a new key that is not the greatest never signs', async t => {
  const { ring, clock, directory } = await openRing(t, ['key-2'])
  await addKey(directory, 'key-1')
  clock.advance(hourMs)

  t.equal((await ring.signing()).kid, 'key-2')
})

t.test('of several keys at the start, the least signs until the greatest is activated', async t => {
  const { ring, clock } = await openRing(t, ['key-1', 'key-2', 'key-3'])

  t.equal((await ring.signing()).kid, 'key-1')
  clock.advance(300 * secondMs)
  t.equal((await ring.signing()).kid, 'key-3')
})

t.test('a key that is taken out signs and opens nothing any more', async t => {
  const { ring, clock, directory } = await openRing(t, ['key-1', 'key-2'])
  clock.advance(300 * secondMs)
  await ring.signing()

  await rm(join(directory, 'key-2'))
  clock.advance(10 * secondMs)

  t.equal((await ring.signing()).kid, 'key-1')
  t.strictSame(await ring.find('key-2'), { retryAfterSeconds: 5 })
})

t.test('a Secret as Kubernetes mounts it has one key a file, and nothing else counts', async t => {
  const directory = t.testdir({
    '..2026_01_01': { 'key-1': 'x'.repeat(32) },
    folder: { 'key-9': 'y'.repeat(32) },
    '.hidden': 'short'
  })
  await symlink('..2026_01_01', join(directory, '..data'))
  await symlink('..data/key-1', join(directory, 'key-1'))
  const clock = new TestClock()

  const ring = await KeyRing.open(directory, 0, clock.now, noTrouble)

  t.equal((await ring.signing()).kid, 'key-1')
  t.strictSame(await ring.find('folder'), { retryAfterSeconds: 5 })
  t.strictSame(await ring.find('..data'), { retryAfterSeconds: 5 })
})

t.test('a key of 31 bytes is refused with the name of its file', async t => {
  const directory = t.testdir({ 'key-1': 'x'.repeat(32), 'key-2': 'y'.repeat(31) })

  await t.rejects(KeyRing.open(directory, 0, Date.now, noTrouble), {
    message: `signing key ${join(directory, 'key-2')}: expected at least 32 bytes, found 31`
  })
})

t.test('a directory without a key, and none at all, are refused', async t => {
  const directory = t.testdir({ '.hidden': 'x'.repeat(32) })

  await t.rejects(KeyRing.open(directory, 0, Date.now, noTrouble), {
    message: `signing keys directory ${directory}: expected at least one file, found none`
  })
  await t.rejects(KeyRing.open(join(directory, 'absent'), 0, Date.now, noTrouble), { code: 'ENOENT' })
})

t.test('a file that can be no key counts as none in a running server, and the operator is told', async t => {
  const { ring, clock, directory, troubles } = await openRing(t, ['key-1', 'key-2'])
  await writeFile(join(directory, 'key-2'), 'short')
  clock.advance(10 * secondMs)

  t.match(await ring.find('key-1'), { kid: 'key-1' })
  t.strictSame(await ring.find('key-2'), { retryAfterSeconds: 5 })
  t.match(troubles[0], /^Error: signing key .*key-2: expected at least 32 bytes, found 5$/)
})

t.test('while the directory cannot be read, the keys that were read go on', async t => {
  const { ring, clock, directory, troubles } = await openRing(t, ['key-1'])
  await rename(directory, `${directory}-away`)
  t.teardown(() => rename(`${directory}-away`, directory))
  clock.advance(10 * secondMs)

  t.match(await ring.find('key-1'), { kid: 'key-1' })
  t.match(troubles, [/ENOENT/])
})

t.test('without any key nothing is signed', async t => {
  const { ring, clock, directory } = await openRing(t, ['key-1'])
  await rm(join(directory, 'key-1'))
  clock.advance(10 * secondMs)

  await t.rejects(ring.signing(), { message: `no key in ${directory}` })
})

t.test('a key is made where there is none, for its owner only, and once', async t => {
  const directory = join(t.testdir(), 'keys')
  await ensureKey(directory)
  const first = await (await KeyRing.open(directory, 0, Date.now, noTrouble)).signing()
  await ensureKey(directory)
  const second = await (await KeyRing.open(directory, 0, Date.now, noTrouble)).signing()

  t.equal(first.secret.length, 32)
  t.strictSame(second, first)
  t.equal((await stat(join(directory, 'key-1'))).mode & 0o777, 0o600)
})
