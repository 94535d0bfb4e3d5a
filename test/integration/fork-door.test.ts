import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { GiB, MiB } from '../../shared/units.ts'
import { downloadRequest, openConnection, readForkAnswer, uploadAround } from '../server/v0/fork-client.ts'
import { type StageProcess, startStage } from './helpers/programs.ts'
import { keepSecret } from './helpers/secrets.ts'
import { testFolder } from './helpers/test-folder.ts'

/** Repeated again and again, it makes up what is uploaded. */
const piece = randomBytes(1 * MiB)
const uploadBytes = 1 * GiB
const downloadCount = 12

interface Uploaded {
  readonly resourceId: string
  readonly resourceSecret: string
  /** From the last byte that was sent to the answer. */
  readonly answerMs: number
}

t.test(
  '1 GiB by the fork’s request is answered in time, and 12 downloads of it at once are right',
  async t => {
    const stage = await startStage(t, { home: testFolder(t), env: { SPARK_STAGE_V0: 'true' } })

    const uploaded = await upload(stage)

    t.comment(`answered ${Math.round(uploaded.answerMs)} ms after the last byte`)
    t.comment(`most memory until then: ${Math.round((await stage.peakBytes()) / MiB)} MiB`)
    t.ok(uploaded.answerMs < 5000)
    t.same(await downloadAll(t, stage, uploaded), Array(downloadCount).fill(uploadBytes))
    t.comment(`most memory of the server: ${Math.round((await stage.peakBytes()) / MiB)} MiB`)
    t.ok((await stage.peakBytes()) <= 200 * MiB)
  }
)

/** Sends the recorded request around content that never lies in memory as a whole. */
async function upload({ url }: StageProcess): Promise<Uploaded> {
  const { before, after } = uploadAround(uploadBytes)
  const socket = openConnection(url)
  socket.write(before)
  for (let sentBytes = 0; sentBytes < uploadBytes; sentBytes += piece.length) {
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  await new Promise(resolve => socket.write(after, resolve))
  const sentMs = performance.now()
  const { status, body } = await readForkAnswer(socket)
  const answerMs = performance.now() - sentMs
  socket.destroy()
  if (status !== 200) throw new Error(`answered ${status}: ${body}`)
  const staged = JSON.parse(body.toString())
  keepSecret(staged.resourceSecret)
  return { ...staged, answerMs }
}

/** Downloads everything so many times at once. @returns how many right bytes each got */
function downloadAll(t: Test, { url }: StageProcess, uploaded: Uploaded): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: downloadCount }, () => downloadOne(t, url, uploaded)))
}

async function downloadOne(t: Test, url: string, { resourceId, resourceSecret }: Uploaded): Promise<number> {
  const socket = openConnection(url)
  t.teardown(() => socket.destroy())
  socket.write(downloadRequest(resourceId, resourceSecret))
  let head = Buffer.alloc(0)
  let rightBytes = -1
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    let body = chunk
    if (rightBytes < 0) {
      head = Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) continue
      body = head.subarray(end + 4)
      rightBytes = 0
    }
    rightBytes += countRight(body, rightBytes)
    if (rightBytes >= uploadBytes) break
  }
  return rightBytes
}

/** Compares byte by byte with the repeated piece. @throws Error when one is wrong */
function countRight(body: Buffer, fromBytes: number): number {
  for (let position = 0; position < body.length; ) {
    const at = (fromBytes + position) % piece.length
    const length = Math.min(piece.length - at, body.length - position)
    if (!piece.subarray(at, at + length).equals(body.subarray(position, position + length)))
      throw new Error(`wrong bytes after byte ${fromBytes + position}`)
    position += length
  }
  return body.length
}
