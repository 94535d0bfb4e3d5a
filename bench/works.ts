import { execFile } from 'node:child_process'
import { link, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bundlePath, bundlesPath, entryPath } from '../shared/paths.ts'
import { secondMs } from '../shared/units.ts'
import { sha256sums, writeRandomFile } from '../test/integration/helpers/files.ts'
import { fetchInto, put, type StageProcess } from '../test/integration/helpers/programs.ts'
import type { Scope } from '../test/integration/helpers/start-process.ts'
import {
  ask,
  type Contestants,
  largeBytes,
  type Nginx,
  newNamespace,
  putBlob,
  stageLarge,
  type Work
} from './contest.ts'
import { curl, curls } from './curl.ts'
import { minioWorks } from './minio-works.ts'

/** What is compared with what. Everything is staged and in the page cache once this resolves. */
export async function prepareWorks(
  scope: Scope,
  home: string,
  { stage, overBucket, nginx, minio }: Contestants
): Promise<readonly Work[]> {
  const large = await writeRandomFile(join(home, 'large.bin'), largeBytes)
  const small = await writeRandomFile(join(home, 'small.bin'), 200_000_000)
  await link(large, join(nginx.root, 'large.bin'))
  const { 'large.bin': sha256 = '' } = await sha256sums([large])
  return [
    ...uploadWorks(stage, nginx, large, sha256),
    ...(await downloadWorks(scope, home, stage, nginx, large)),
    ...(await minioWorks(scope, home, { stage, overBucket, minio }, { path: large, sha256 })),
    await fetchWork(scope, home, stage, small)
  ]
}

function uploadWorks(stage: StageProcess, nginx: Nginx, path: string, sha256: string): readonly Work[] {
  const sizeBytes = largeBytes
  const target = join(nginx.root, 'uploaded.bin')
  const peer = async () => {
    const seconds = await curl('--upload-file', path, `${nginx.url}/uploaded.bin`)
    await rm(target)
    return seconds
  }
  const raw = () => putBlob(stage, { path, sha256 })
  const oneShot = async () => {
    const namespace = newNamespace()
    const url = stage.url + bundlesPath(namespace)
    const seconds = await curl('--form', `files=@${path}`, '--output', `${path}.json`, url)
    const { bundleId } = JSON.parse(await readFile(`${path}.json`, 'utf8'))
    await ask(stage, 'DELETE', bundlePath(namespace, bundleId))
    return seconds
  }
  return [
    { name: 'upload 512 MiB, raw PUT', goal: 0.9, sizeBytes, ours: raw, peer },
    { name: 'upload 512 MiB, one-shot multipart', goal: 0.6, sizeBytes, ours: oneShot, peer }
  ]
}

async function downloadWorks(
  scope: Scope,
  home: string,
  stage: StageProcess,
  nginx: Nginx,
  path: string
): Promise<readonly Work[]> {
  const ours = await stageLarge(scope, home, stage, path)
  const peer = ['--output', '/dev/null', `${nginx.url}/large.bin`]
  const sizeBytes = largeBytes
  return [
    {
      name: 'download 512 MiB, 1 client',
      goal: 1.1,
      sizeBytes,
      ours: () => curl(...ours),
      peer: () => curl(...peer)
    },
    {
      name: 'download 512 MiB, 16 clients',
      goal: 0.95,
      sizeBytes: 16 * sizeBytes,
      ours: () => curls(16, ...ours),
      peer: () => curls(16, ...peer)
    }
  ]
}

/** The init container lays out what curl only writes, both from our server and without their start. */
async function fetchWork(scope: Scope, home: string, stage: StageProcess, path: string): Promise<Work> {
  const staged = await put(scope, { ...stage, files: ['--file', path], tokenFile: join(home, 'token-small') })
  const [namespace = ''] = staged.bundle.split('/')
  const into = join(home, 'into')
  const ours = async () => {
    const { stdout } = await fetchInto(scope, { url: stage.url, staged, into })
    await rm(into, { recursive: true })
    return Number(/"durationMs":(\d+)/.exec(stdout)?.[1]) / secondMs
  }
  const url = stage.url + entryPath(namespace, staged.bundleId, 'files/small.bin')
  const peer = async () => {
    const to = join(home, 'fetched')
    const seconds = await curl('--output', to, '--header', `Authorization: Bearer ${staged.token}`, url)
    await rm(to)
    return seconds
  }
  return { name: 'init container, 200 MB, beside curl', goal: 0.9, sizeBytes: 200_000_000, ours, peer }
}

/** Waits until nothing is left to be written to disk, so that no work pays for the one before. */
export async function settle(): Promise<void> {
  await promisify(execFile)('sync')
}
