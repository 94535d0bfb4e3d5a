import type { Test } from 'tap'
import { GiB, MiB } from '../../../shared/units.ts'
import { commit, declare, digestOf, send } from './made-bundle.ts'
import { type MadeBytes, makeBytes } from './made-bytes.ts'
import { startMinio } from './minio.ts'
import { untilNothingIsLeft } from './replica-kills.ts'
import { startReplicas } from './replicas.ts'

const mostMemoryBytes = 250 * MiB

/** Stages one large file and reads it back: the memory of the servers does not depend on its size. */
export async function uploadLarge(t: Test, sizeBytes: number): Promise<void> {
  const env = { SPARK_STAGE_MAX_UPLOAD_BYTES: `${6 * GiB}` }
  const replicas = await startReplicas(t, await startMinio(t), { env })
  const file = await makeBytes('large', sizeBytes)

  const bundleId = await declare(replicas, file)
  await send(replicas, bundleId, file)
  const token = await commit(replicas, bundleId)
  const digest = await digestOf(replicas, bundleId, token)

  t.equal(digest, file.sha256)
  const peakBytes = await replicas.peakBytes()
  t.comment(`${(sizeBytes / GiB).toFixed(2)} GiB, most memory ${Math.round(peakBytes / MiB)} MiB`)
  t.ok(peakBytes <= mostMemoryBytes, `no server needs more than 250 MiB: ${Math.round(peakBytes / MiB)}`)
}

/** Kills the server that takes a large file when half of it has come: the sweeps of the others remove all of it. */
export async function killInTheMiddle(t: Test, sizeBytes: number): Promise<void> {
  const env = {
    SPARK_STAGE_MAX_UPLOAD_BYTES: `${6 * GiB}`,
    SPARK_STAGE_DRAFT_LEASE_SECONDS: '4',
    SPARK_STAGE_SWEEP_INTERVAL_SECONDS: '1'
  }
  const replicas = await startReplicas(t, await startMinio(t), { env })
  const [first] = replicas.servers
  if (first === undefined) throw new Error('expected a server')
  const file = await makeBytes('large', sizeBytes)
  const half = Promise.withResolvers<void>()

  const bundleId = await declare(first, file)
  const sending = send(first, bundleId, file, () => halfOf(file, half.resolve)).catch((error: Error) => error)
  await half.promise
  await replicas.kill(0)
  const left = await replicas.keys()

  t.match(await sending, { message: 'fetch failed' })
  const unfinished = left.filter(key => key.endsWith(' (unfinished)'))
  t.equal(unfinished.length, 1)
  t.match(unfinished, [`bundles/${bundleId}/`])
  await untilNothingIsLeft(t, replicas)
}

/** The first half, and then nothing more, and no end. */
async function* halfOf(file: MadeBytes, sent: () => void): AsyncGenerator<Buffer> {
  let sentBytes = 0
  for await (const chunk of file.chunks()) {
    if (sentBytes >= file.sizeBytes / 2) break
    sentBytes += chunk.length
    yield chunk
  }
  sent()
  await new Promise(() => {})
}
