import { join } from 'node:path'
import { blobPath, bundlePath, bundlesPath, entryPath } from '../shared/paths.ts'
import { MiB } from '../shared/units.ts'
import type { Minio } from '../test/integration/helpers/minio.ts'
import { put, type StageProcess } from '../test/integration/helpers/programs.ts'
import type { Scope } from '../test/integration/helpers/start-process.ts'
import { curl } from './curl.ts'

export const largeBytes = 512 * MiB

/** A file of {@link largeBytes}. */
export interface LargeFile {
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

/** A declared draft, its one blob by PUT, and its end. @returns seconds of the PUT */
export async function putBlob(stage: StageProcess, { path, sha256 }: LargeFile): Promise<number> {
  const entries = [{ kind: 'files', name: 'large.bin', sizeBytes: largeBytes, sha256 }]
  const namespace = newNamespace()
  const { bundleId } = await ask(stage, 'POST', bundlesPath(namespace), { entries })
  const seconds = await curl('--upload-file', path, stage.url + blobPath(namespace, bundleId, sha256))
  await ask(stage, 'DELETE', bundlePath(namespace, bundleId))
  return seconds
}

/** What curl needs to download a file that is staged for it. */
export async function stageLarge(
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

let namespaceCount = 0

/** Bytes that a namespace has already are not sent again, so each upload goes to one of its own. */
export function newNamespace(): string {
  namespaceCount += 1
  return `round-${namespaceCount}`
}

export async function ask(stage: StageProcess, method: string, path: string, body?: unknown) {
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const answer = await fetch(stage.url + path, { method, ...(body === undefined ? {} : json) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.status === 204 ? undefined : JSON.parse(await answer.text())
}
