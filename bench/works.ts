import { execFile } from 'node:child_process'
import { link, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { blobPath, bundlePath, bundlesPath, entryPath } from '../shared/paths.ts'
import { MiB, secondMs } from '../shared/units.ts'
import { sha256sums, writeRandomFile } from '../test/integration/helpers/files.ts'
import type { Minio } from '../test/integration/helpers/minio.ts'
import { fetchInto, put, type StageProcess } from '../test/integration/helpers/programs.ts'
import type { Scope } from '../test/integration/helpers/start-process.ts'
import { curl, curls } from './curl.ts'

const largeBytes = 512 * MiB

/** The same on every Linux that Node runs on. */
const ticksPerSecond = 100

/** A file of {@link largeBytes}. */
interface LargeFile {
  readonly path: string
  readonly sha256: string
}

/** Plain nginx with sendfile, and WebDAV PUT into `root`. */
export interface Nginx {
  readonly url: string
  readonly root: string
}

/** MinIO, and a bucket that nobody else uses. */
export interface MinioBucket extends Pick<Minio, 'client' | 'pid'> {
  readonly bucket: string
}

/** Who is compared with whom. */
export interface Contestants {
  /** On a disk. */
  readonly stage: StageProcess
  /** Over another bucket of the same MinIO. */
  readonly overBucket: StageProcess
  readonly nginx: Nginx
  readonly minio: MinioBucket
}

/** One row of the table: the same bytes moved by us and by a peer. */
export interface Work {
  readonly name: string
  /** Our rate has to be at least this many times the peer's; undefined where nothing is asked for. */
  readonly goal?: number
  readonly sizeBytes: number
  /** @returns seconds, of the clock or of the processor */
  readonly ours: () => Promise<number>
  /** @returns the same of the peer */
  readonly peer: () => Promise<number>
}

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

/** A declared draft, its one blob by PUT, and its end. @returns seconds of the PUT */
async function putBlob(stage: StageProcess, { path, sha256 }: LargeFile): Promise<number> {
  const entries = [{ kind: 'files', name: 'large.bin', sizeBytes: largeBytes, sha256 }]
  const namespace = newNamespace()
  const { bundleId } = await ask(stage, 'POST', bundlesPath(namespace), { entries })
  const seconds = await curl('--upload-file', path, stage.url + blobPath(namespace, bundleId, sha256))
  await ask(stage, 'DELETE', bundlePath(namespace, bundleId))
  return seconds
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

/** What curl needs to download a file that is staged for it. */
async function stageLarge(
  scope: Scope,
  home: string,
  stage: StageProcess,
  path: string
): Promise<readonly string[]> {
  const tokenFile = join(home, `token-${stage.port}`)
  const staged = await put(scope, { ...stage, files: ['--file', path], tokenFile })
  const [namespace = ''] = staged.bundle.split('/')
  const url = stage.url + entryPath(namespace, staged.bundleId, 'files/large.bin')
  return ['--output', '/dev/null', '--header', `Authorization: Bearer ${staged.token}`, url]
}

/** MinIO by itself, beside a server on a disk, and beside one that uses it. */
async function minioWorks(
  scope: Scope,
  home: string,
  { stage, overBucket, minio }: Omit<Contestants, 'nginx'>,
  file: LargeFile
): Promise<readonly Work[]> {
  const place = { Bucket: minio.bucket, Key: 'large.bin' }
  const signed = { expiresIn: 3600 }
  const putUrl = await getSignedUrl(minio.client, new PutObjectCommand(place), signed)
  const upload = () => curl('--upload-file', file.path, putUrl)
  await upload()
  const getUrl = await getSignedUrl(minio.client, new GetObjectCommand(place), signed)
  const download = ['--output', '/dev/null', getUrl]
  const [fromDisk, fromBucket] = [
    await stageLarge(scope, home, stage, file.path),
    await stageLarge(scope, home, overBucket, file.path)
  ]
  const processorSeconds = (pid: number | undefined, args: readonly string[]) => async () => {
    const before = await processorSecondsOf(pid)
    await curls(16, ...args)
    return (await processorSecondsOf(pid)) - before
  }
  return [
    {
      name: 'upload 512 MiB, raw PUT, beside MinIO',
      goal: 1.2,
      sizeBytes: largeBytes,
      ours: () => putBlob(stage, file),
      peer: upload
    },
    {
      name: '16 downloads, per CPU second, beside MinIO',
      goal: 2,
      sizeBytes: 16 * largeBytes,
      ours: processorSeconds(stage.child.pid, fromDisk),
      peer: processorSeconds(minio.pid, download)
    },
    {
      name: 'upload over a bucket, beside the bucket',
      sizeBytes: largeBytes,
      ours: () => putBlob(overBucket, file),
      peer: upload
    },
    {
      name: 'download over a bucket, beside the bucket',
      sizeBytes: largeBytes,
      ours: () => curl(...fromBucket),
      peer: () => curl(...download)
    }
  ]
}

/** What a process has used so far of all processors, in seconds. */
async function processorSecondsOf(pid: number | undefined): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // After the name, which may have blanks in it: utime and stime are fields 14 and 15 (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
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

let namespaceCount = 0

/** Bytes that a namespace has already are not sent again, so each upload goes to one of its own. */
function newNamespace(): string {
  namespaceCount += 1
  return `round-${namespaceCount}`
}

async function ask(stage: StageProcess, method: string, path: string, body?: unknown) {
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const answer = await fetch(stage.url + path, { method, ...(body === undefined ? {} : json) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.status === 204 ? undefined : JSON.parse(await answer.text())
}

/** Waits until nothing is left to be written to disk, so that no work pays for the one before. */
export async function settle(): Promise<void> {
  await promisify(execFile)('sync')
}
