import { execFile } from 'node:child_process'
import { link, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { blobPath, bundlePath, bundlesPath, entryPath } from '../shared/paths.ts'
import { MiB, secondMs } from '../shared/units.ts'
import { sha256sums, writeRandomFile } from '../test/integration/helpers/files.ts'
import { fetchInto, put, type StageProcess } from '../test/integration/helpers/programs.ts'
import type { Scope } from '../test/integration/helpers/start-process.ts'
import { curl, curls } from './curl.ts'

/** Plain nginx with sendfile, and WebDAV PUT into `root`. */
export interface Nginx {
  readonly url: string
  readonly root: string
}

/** One row of the table: the same bytes moved by us and by a peer. */
export interface Work {
  readonly name: string
  /** Our rate has to be at least this many times the peer's. */
  readonly goal: number
  readonly sizeBytes: number
  /** @returns seconds */
  readonly ours: () => Promise<number>
  /** @returns seconds */
  readonly peer: () => Promise<number>
}

/** What is compared with what. Everything is staged and in the page cache once this resolves. */
export async function prepareWorks(
  scope: Scope,
  home: string,
  stage: StageProcess,
  nginx: Nginx
): Promise<readonly Work[]> {
  const large = await writeRandomFile(join(home, 'large.bin'), 512 * MiB)
  const small = await writeRandomFile(join(home, 'small.bin'), 200_000_000)
  await link(large, join(nginx.root, 'large.bin'))
  const { 'large.bin': sha256 = '' } = await sha256sums([large])
  const downloads = await downloadWorks(scope, home, stage, nginx, large)
  return [
    ...uploadWorks(stage, nginx, large, sha256),
    ...downloads,
    await fetchWork(scope, home, stage, small)
  ]
}

function uploadWorks(stage: StageProcess, nginx: Nginx, path: string, sha256: string): readonly Work[] {
  const sizeBytes = 512 * MiB
  const target = join(nginx.root, 'uploaded.bin')
  const peer = async () => {
    const seconds = await curl('--upload-file', path, `${nginx.url}/uploaded.bin`)
    await rm(target)
    return seconds
  }
  const raw = async () => {
    const entries = [{ kind: 'files', name: 'large.bin', sizeBytes, sha256 }]
    const namespace = newNamespace()
    const { bundleId } = await ask(stage, 'POST', bundlesPath(namespace), { entries })
    const seconds = await curl('--upload-file', path, stage.url + blobPath(namespace, bundleId, sha256))
    await ask(stage, 'DELETE', bundlePath(namespace, bundleId))
    return seconds
  }
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
  const staged = await put(scope, { ...stage, files: ['--file', path], tokenFile: join(home, 'token-large') })
  const [namespace = ''] = staged.bundle.split('/')
  const url = stage.url + entryPath(namespace, staged.bundleId, 'files/large.bin')
  const ours = ['--output', '/dev/null', '--header', `Authorization: Bearer ${staged.token}`, url]
  const peer = ['--output', '/dev/null', `${nginx.url}/large.bin`]
  const sizeBytes = 512 * MiB
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
