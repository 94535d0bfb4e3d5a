import { join } from 'node:path'
import type { Test } from 'tap'
import { buildPackage } from '../../../build/build-package.ts'
import { GiB, MiB } from '../../../shared/units.ts'
import type { Listening } from '../../helpers/call.ts'
import { commit, declare, digestOf, send } from './made-bundle.ts'
import { type MadeBytes, makeBytes } from './made-bytes.ts'
import { startMinio } from './minio.ts'
import { outsideFolder } from './outside-folder.ts'
import type { Command } from './programs.ts'
import { startReplicas } from './replicas.ts'

const submissionsCount = 200
const leastBytes = 1000
const mostBytes = 200_000_000

/** What one server may have resident, whatever it is sent. */
const mostMemoryBytes = 250 * MiB

/**
 * Stages 200 files of 1 KB to 200 MB through nginx, all of them at once, and reads them back, all of them at once.
 *
 * @param steepness how much smaller than the largest most of them are: 4 GB in all with 0.8, 1 GB with 3
 */
export async function submitMany(t: Test, steepness: number): Promise<void> {
  // As it is deployed: loaded from source, a server has some 40 MiB more.
  const program = await outsideFolder(t)
  await buildPackage(program)
  const command: Command = [process.execPath, join(program, 'spark-stage-server.mjs')]
  const replicas = await startReplicas(t, await startMinio(t), { commandOf: () => command })
  const files = await Promise.all(
    sizes(steepness).map((sizeBytes, index) => makeBytes(`${index}`, sizeBytes))
  )
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)

  const wrong = (await Promise.all(files.map(file => submit(replicas, file)))).filter(found => found !== '')

  t.same(wrong, [])
  const peakBytes = await replicas.peakBytes()
  t.comment(`${(totalBytes / GiB).toFixed(2)} GiB in all, most memory ${Math.round(peakBytes / MiB)} MiB`)
  t.ok(peakBytes <= mostMemoryBytes, `no server needs more than 250 MiB: ${Math.round(peakBytes / MiB)}`)
  const unfinished = (await replicas.keys()).filter(key => key.endsWith('(unfinished)'))
  t.same(unfinished, [], 'no upload is left unfinished')
}

function sizes(steepness: number): readonly number[] {
  const share = (index: number) => (index / (submissionsCount - 1)) ** steepness
  return Array.from({ length: submissionsCount }, (_, index) =>
    Math.round(leastBytes * (mostBytes / leastBytes) ** share(index))
  )
}

/** One file from the draft until it is read back. @returns what was wrong, or nothing */
async function submit(server: Listening, file: MadeBytes): Promise<string> {
  try {
    const bundleId = await declare(server, file)
    await send(server, bundleId, file)
    const digest = await digestOf(server, bundleId, await commit(server, bundleId))
    return digest === file.sha256 ? '' : `${file.sizeBytes} bytes come back wrong`
  } catch (error) {
    // A boundary: whatever goes wrong here is an Error.
    return `${file.sizeBytes} bytes: ${(error as Error).message}`
  }
}
