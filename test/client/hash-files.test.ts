import { createHash, randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { hashFiles } from '../../client/hash-files.ts'
import type { LocalFile } from '../../client/local-files.ts'
import { MiB } from '../../shared/units.ts'

const never = new AbortController().signal

function localFile(filePath: string): LocalFile {
  return { kind: 'files', name: 'x', filePath, sizeBytes: 0, executable: false }
}

t.test('digests and sizes are those of the bytes, at every edge of a read', async t => {
  const root = t.testdir()
  const sizes = [0, 1, MiB - 1, MiB, MiB + 1, 3 * MiB + 17]
  const contents = sizes.map(size => randomBytes(size))
  await Promise.all(contents.map((bytes, index) => writeFile(join(root, String(index)), bytes)))
  let hashedBytes = 0
  const count = (bytes: number) => {
    hashedBytes += bytes
  }

  const files = await hashFiles(
    sizes.map((_, index) => localFile(join(root, String(index)))),
    count,
    never
  )

  t.strictSame(
    files.map(({ sizeBytes, sha256 }) => ({ sizeBytes, sha256 })),
    contents.map(bytes => ({
      sizeBytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex')
    }))
  )
  t.equal(
    hashedBytes,
    sizes.reduce((sum, size) => sum + size)
  )
})

t.test('a file that vanished is named', async t => {
  const root = t.testdir({ x: '' })
  await rm(join(root, 'x'))

  await t.rejects(
    hashFiles([localFile(join(root, 'x'))], () => {}, never),
    {
      exitCause: 'usage',
      message: /x" cannot be read \(ENOENT\)/
    }
  )
})

t.test('hashing stops when it is asked to', async t => {
  const root = t.testdir()
  await writeFile(join(root, 'x'), Buffer.alloc(4 * MiB))
  const stop = new AbortController()
  const stopAtFirst = () => stop.abort()

  await t.rejects(hashFiles([localFile(join(root, 'x'))], stopAtFirst, stop.signal), { name: 'AbortError' })
})
