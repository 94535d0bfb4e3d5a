import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { digestFile, PartFile } from '../../init-container/part-file.ts'
import { temporaryFolder } from './fetching.ts'

const sha256OfAb = 'fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603'
const never = new AbortController().signal

/** Yields the text and then breaks. */
async function* dying(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
  throw new Error('cut')
}

t.test('what came before a cut is on disk and in the digest', async t => {
  const path = join(temporaryFolder(t), 'part')
  await using part = await PartFile.open(path, never)

  await t.rejects(
    part.append(dying('a'), () => {}),
    { message: 'cut' }
  )
  await t.rejects(
    part.append(dying('b'), () => {}),
    { message: 'cut' }
  )

  t.equal(part.sizeBytes, 2)
  t.equal(part.digest(), sha256OfAb)
  t.equal(await readFile(path, 'utf8'), 'ab')
})

t.test('a part that was thrown away begins empty', async t => {
  const path = join(temporaryFolder(t), 'part')
  await using part = await PartFile.open(path, never)
  await t.rejects(
    part.append(dying('wrong'), () => {}),
    { message: 'cut' }
  )

  await part.discard()
  await t.rejects(
    part.append(dying('ab'), () => {}),
    { message: 'cut' }
  )

  t.equal(part.digest(), sha256OfAb)
  t.equal(await readFile(path, 'utf8'), 'ab')
})

t.test('reading what is there stops with its signal', async t => {
  const path = join(temporaryFolder(t), 'part')
  await writeFile(path, 'ab')
  const reason = new Error('enough')
  const stopped = AbortSignal.abort(reason)

  t.equal(await digestFile(path, never), sha256OfAb)
  await t.rejects(digestFile(path, stopped), reason)
  await t.rejects(PartFile.open(path, stopped), reason)

  t.equal(await readFile(path, 'utf8'), 'ab')
})
