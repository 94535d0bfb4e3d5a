import * as fs from 'node:fs/promises'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import t from 'tap'
import { readAuthorities, readSecret } from '../../client/read-files.ts'
import { checkTokenFile, writeTokenFile } from '../../client/token-file.ts'

t.test('a secret is the one word of its file', async t => {
  const root = t.testdir({ good: ' abc.def \n', two: 'abc def', none: '\n' })

  t.equal(await readSecret(join(root, 'good'), '--x'), 'abc.def')
  await t.rejects(readSecret(join(root, 'two'), '--x'), {
    exitCause: 'usage',
    message: /expected one word of printable ASCII/
  })
  await t.rejects(readSecret(join(root, 'none'), '--x'), {
    exitCause: 'usage',
    message: /found nothing/
  })
  await t.rejects(readSecret(join(root, 'gone'), '--x'), {
    exitCause: 'usage',
    message: /^--x .*cannot be read \(ENOENT\)/
  })
})

t.test('what a secret file holds is in no error', async t => {
  const root = t.testdir({ two: 'hunter2 hunter3' })

  await t.rejects(readSecret(join(root, 'two'), '--x'), { message: /^(?!.*hunter)/ })
})

t.test('authorities are certificates as PEM', async t => {
  const root = t.testdir({ good: String(rootCertificates[0]), bad: 'no certificate' })

  t.equal(await readAuthorities(join(root, 'good'), '--ca-file'), rootCertificates[0])
  await t.rejects(readAuthorities(join(root, 'bad'), '--ca-file'), {
    exitCause: 'usage',
    message: /certificates as PEM/
  })
})

t.test('a token file is replaced whole, with mode 0600, and nothing is left beside it', async t => {
  const root = t.testdir({ token: 'old' })
  const filePath = join(root, 'token')

  await checkTokenFile(filePath)
  await writeTokenFile(filePath, 'new', 'team-a/1')

  t.equal(await readFile(filePath, 'utf8'), 'new\n')
  t.equal((await stat(filePath)).mode & 0o777, 0o600)
  t.strictSame(await readdir(root), ['token'])
})

t.test('a token file that could not be written is found out before', async t => {
  const root = t.testdir({ dir: {} })

  await t.rejects(checkTokenFile(join(root, 'dir')), {
    exitCause: 'usage',
    message: /expected a file, found a directory/
  })
  await t.rejects(checkTokenFile(join(root, 'gone', 'token')), {
    exitCause: 'usage',
    message: /missing or not writable/
  })
})

t.test('a token that cannot be written says what to do, and a full disk has a code of its own', async t => {
  const full = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }))
  const { writeTokenFile: writeToFullDisk } = await t.mockImport<typeof import('../../client/token-file.ts')>(
    '../../client/token-file.ts',
    { 'node:fs/promises': t.createMock(fs, { writeFile: full }) }
  )
  const filePath = join(t.testdir(), 'token')

  await t.rejects(writeToFullDisk(filePath, 'secret', 'team-a/1'), {
    exitCause: 'noSpace',
    message: /ENOSPC/
  })
  await t.rejects(writeTokenFile('/dev/null/x', 'secret', 'team-a/1'), {
    exitCause: 'internal',
    message: /^bundle team-a\/1 is staged, but .*ENOTDIR/
  })
})
