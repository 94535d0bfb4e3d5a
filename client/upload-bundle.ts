import pMap from 'p-map'
import type { Entry } from '../shared/manifest.ts'
import { bundlePath, bundlesPath, manifestPath } from '../shared/paths.ts'
import type { Report } from '../shared/progress.ts'
import type { HashedFile } from './hash-files.ts'
import type { StageServer } from './http-client.ts'
import { type CommitAnswer, parseCommit, parseDraft, parseEntries, RefusedError } from './server-answer.ts'
import { type Draft, uploadBlob } from './upload-blob.ts'

/** What to stage. */
export interface UploadRequest {
  readonly namespace: string
  readonly files: readonly HashedFile[]
  /** The same on every attempt, so that a lost answer does not make a second bundle. */
  readonly idempotencyKey: string
  /** Files sent at the same time. */
  readonly parallelCount: number
  /** Told of the draft as soon as it is there. */
  readonly onDraft?: (bundleId: string) => void
}

/** A committed bundle, and what it took. */
export interface Uploaded extends CommitAnswer {
  readonly entries: readonly Entry[]
  /** Bytes of the files that were sent, each counted once. */
  readonly uploadedBytes: number
  /** Bytes of all distinct files. */
  readonly totalBytes: number
}

/** How often a commit may find that bytes went missing after all. */
const commitCount = 3

/**
 * Stages files as one bundle: a draft, the bytes that the server lacks, the commit. Equal bytes are sent once.
 * What fails leaves a draft behind, which nobody can read and which expires by itself.
 *
 * @throws what {@link StageServer.call} and {@link uploadBlob} throw
 */
export async function uploadBundle(
  server: StageServer,
  request: UploadRequest,
  report: Report,
  signal: AbortSignal
): Promise<Uploaded> {
  const { namespace } = request
  const byDigest = new Map(request.files.map(file => [file.sha256, file]))
  const { bundleId, missing } = await openDraft(server, request, signal)
  request.onDraft?.(bundleId)
  const sent = new Set<HashedFile>()
  for (let wanted = missing, number = 1; ; number += 1) {
    const files = wanted.flatMap(digest => byDigest.get(digest) ?? [])
    await uploadBlobs(server, { namespace, bundleId }, files, request.parallelCount, report, signal)
    for (const file of files) sent.add(file)
    try {
      const committed = await commit(server, { namespace, bundleId }, signal)
      const entries = await readEntries(server, { namespace, bundleId }, committed.token, signal)
      const uploadedBytes = sumBytes([...sent])
      return { ...committed, entries, uploadedBytes, totalBytes: sumBytes([...byDigest.values()]) }
    } catch (error) {
      const incomplete = error instanceof RefusedError && error.answer.code === 'STAGE_ERR_INCOMPLETE'
      if (!incomplete || number === commitCount) throw error
      wanted = error.answer.missing
    }
  }
}

async function openDraft(
  server: StageServer,
  { namespace, files, idempotencyKey }: UploadRequest,
  signal: AbortSignal
) {
  const entries = files.map(({ kind, name, alias, sizeBytes, sha256, executable }) => ({
    kind,
    name,
    // Left out of the JSON when undefined.
    alias,
    sizeBytes,
    sha256,
    executable: executable || undefined
  }))
  const text = JSON.stringify({ entries })
  const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey }
  const path = bundlesPath(namespace)
  return server.call({ method: 'POST', path, headers, body: () => text, parse: parseDraft }, signal)
}

async function uploadBlobs(
  server: StageServer,
  draft: Draft,
  files: readonly HashedFile[],
  parallelCount: number,
  report: Report,
  signal: AbortSignal
): Promise<void> {
  if (files.length === 0) return
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const progress = report.begin('Uploading', sumBytes(files))
  try {
    await pMap(files, file => uploadBlob(server, draft, file, progress.move, either), {
      concurrency: parallelCount
    })
  } finally {
    // The first failure ends the others.
    failed.abort()
    progress.end()
  }
}

async function commit(
  server: StageServer,
  { namespace, bundleId }: Draft,
  signal: AbortSignal
): Promise<CommitAnswer> {
  const path = `${bundlePath(namespace, bundleId)}/commit`
  return server.call({ method: 'POST', path, parse: json => parseCommit(json, bundleId) }, signal)
}

/** The manifest as the pods will read it, which also proves that the token opens the bundle. */
async function readEntries(
  server: StageServer,
  { namespace, bundleId }: Draft,
  token: string,
  signal: AbortSignal
): Promise<readonly Entry[]> {
  const path = manifestPath(namespace, bundleId)
  return server.call(
    { method: 'GET', path, token, parse: json => parseEntries(json, namespace, bundleId) },
    signal
  )
}

function sumBytes(files: readonly HashedFile[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0)
}
