import { readFile } from 'node:fs/promises'
import { Agent, get, type IncomingMessage } from 'node:http'
import t from 'tap'
import { entryPath } from '../../shared/paths.ts'
import { MiB } from '../../shared/units.ts'
import { namespace } from './helpers/programs.ts'
import { fileBytes, stageFile } from './helpers/staged-file.ts'

const downloadCount = 50

t.test('50 downloads of 200 MB at once are all right, and the server stays below 200 MiB', async t => {
  const { stage, staged, path } = await stageFile(t)
  const expected = await readFile(path)
  const agent = new Agent({ maxSockets: downloadCount })
  const url = stage.url + entryPath(namespace, staged.bundleId, 'files/data.bin')
  const options = { agent, headers: { authorization: `Bearer ${staged.token}` } }
  const startedMs = performance.now()

  // All answers begin before the first body is read, so all of them are under way at once.
  const answers = await Promise.all(Array.from({ length: downloadCount }, () => begin(url, options)))
  const rightBytes = await Promise.all(answers.map(answer => countRightBytes(answer, expected)))

  const peakBytes = await stage.peakBytes()
  const seconds = (performance.now() - startedMs) / 1000
  t.comment(`${Math.round((downloadCount * fileBytes) / 1e6 / seconds)} MB/s in all`)
  t.comment(`most memory of the server: ${Math.round(peakBytes / MiB)} MiB`)
  t.same(rightBytes, Array(downloadCount).fill(fileBytes))
  t.ok(peakBytes <= 200 * MiB)
})

function begin(url: string, options: Parameters<typeof get>[1]): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(url, options, resolve).on('error', reject))
}

/** Compares byte by byte, which costs less than a digest and says more. @throws Error at the first wrong chunk */
async function countRightBytes(answer: IncomingMessage, expected: Buffer): Promise<number> {
  let countBytes = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (!chunk.equals(expected.subarray(countBytes, countBytes + chunk.length))) {
      throw new Error(`wrong bytes after byte ${countBytes}`)
    }
    countBytes += chunk.length
  }
  return countBytes
}
