import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { strToU8, zipSync } from 'fflate'
import t from 'tap'
import { localDisk } from '../../../client/submit/local-disk.ts'

t.test('what is at a path, with links followed', async t => {
  const folder = t.testdir({ 'a.txt': '', sub: {} })
  await symlink('a.txt', join(folder, 'link'))
  const { look, workingDirectory } = localDisk(folder)

  t.equal(workingDirectory, folder)
  t.match(await look(join(folder, 'link')), { type: 'file', canonicalPath: /a\.txt$/ })
  t.match(await look(join(folder, 'sub')), { type: 'directory' })
  t.match(await look('/dev/null'), { type: 'other' })
  t.equal(await look(join(folder, 'none')), undefined)
})

t.test('patterns match as those of Hadoop', async t => {
  const folder = t.testdir({ libs: {}, other: {} })
  for (const path of [
    'libs/a.jar',
    'libs/b.jar',
    'libs/.c.jar',
    'libs/d+e.jar',
    'libs/f*.jar',
    'other/a.jar',
    'top'
  ]) {
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, path), '')
  }
  const { expand } = localDisk(folder)
  const matches = async (pattern: string) =>
    (await expand(`${folder}/${pattern}`)).map(path => path.slice(folder.length + 1)).join(' ')

  t.equal(await matches('libs/*.jar'), 'libs/.c.jar libs/a.jar libs/b.jar libs/d+e.jar libs/f*.jar')
  t.equal(await matches('libs/?.jar'), 'libs/a.jar libs/b.jar')
  t.equal(await matches('*/a.jar'), 'libs/a.jar other/a.jar')
  t.equal(await matches('libs/[ab].jar'), 'libs/a.jar libs/b.jar')
  t.equal(await matches('libs/[^a].jar'), 'libs/b.jar')
  t.equal(await matches('libs/[!a].jar'), 'libs/b.jar')
  t.equal(await matches('libs/{a,d+e}.jar'), 'libs/a.jar libs/d+e.jar')
  t.equal(await matches('libs/f\\*.jar'), 'libs/f*.jar')
  t.equal(await matches('libs/./a.j*'), 'libs/a.jar')
  t.equal(await matches('top/*'), '')
  t.equal(await matches('none/*.jar'), '')
  t.equal(await matches('libs/[a'), '')
})

t.test('Main-Class is read from the manifest as Java reads it', async t => {
  const folder = t.testdir()
  const jar = async (manifest: string, name = 'META-INF/MANIFEST.MF') => {
    const path = join(folder, 'x.jar')
    await writeFile(path, zipSync({ 'a/B.class': strToU8(''), [name]: strToU8(manifest) }))
    return path
  }
  const { mainClassOf } = localDisk(folder)

  t.equal(await mainClassOf(await jar('Manifest-Version: 1.0\r\nMain-Class: a.B\r\n\r\n')), 'a.B')
  t.equal(await mainClassOf(await jar('main-class: a.B\n', 'meta-inf/manifest.mf')), 'a.B')
  t.equal(await mainClassOf(await jar('Main-Class: a.very.long.\n  Name\nX: y\n')), undefined)
  t.equal(await mainClassOf(await jar('Main-Class: a.very.long.\n Name\nX: y\n')), 'a.very.long.Name')
  t.equal(await mainClassOf(await jar('X: y\r\rName: s\rMain-Class: a.B\r')), undefined)
  t.equal(await mainClassOf(await jar('Main-Class: a.B\n', 'META-INF/OTHER')), undefined)
  await writeFile(join(folder, 'no.jar'), 'no jar')
  t.equal(await mainClassOf(join(folder, 'no.jar')), undefined)
})

t.test('a manifest of absurd size is not read', async t => {
  const path = join(t.testdir(), 'big.jar')
  await writeFile(path, zipSync({ 'META-INF/MANIFEST.MF': new Uint8Array(64 * 1024 * 1024 + 1) }))

  t.equal(await localDisk('/').mainClassOf(path), undefined)
})
