import { randomUUID } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { quote } from '../../shared/errors.ts'
import type { Entry } from '../../shared/manifest.ts'
import type { Report } from '../../shared/progress.ts'
import { ClientError, usageError } from '../client-error.ts'
import { type HashedFile, hashFiles } from '../hash-files.ts'
import type { StageServer } from '../http-client.ts'
import type { LocalFile } from '../local-files.ts'
import { type Uploaded, uploadBundle } from '../upload-bundle.ts'
import type { LocalDependency } from './local-dependencies.ts'

/** A file that Spark is to carry, with what is sent of it. */
export interface FileToStage {
  readonly dependency: LocalDependency
  readonly hashed: HashedFile
}

/** A committed bundle, and where each file is in it. */
export interface StagedFiles extends Uploaded {
  readonly paths: ReadonlyMap<LocalDependency, string>
}

/** Reads and hashes all files. @throws ClientError (usage) when one cannot be read */
export async function hashDependencies(
  dependencies: readonly LocalDependency[],
  report: Report,
  signal: AbortSignal
): Promise<readonly FileToStage[]> {
  const files = await Promise.all(dependencies.map(toLocalFile))
  const progress = report.begin('Hashing', sumBytes(files))
  try {
    const hashed = await hashFiles(files, progress.move, signal)
    // One for each, in their order.
    return hashed.map((file, at) => ({ dependency: dependencies[at] as LocalDependency, hashed: file }))
  } finally {
    progress.end()
  }
}

/**
 * Stages files as one bundle.
 *
 * @param onDraft told of the bundle's id before it has any bytes
 * @throws what {@link uploadBundle} throws
 */
export async function stageFiles(
  server: StageServer,
  request: {
    readonly namespace: string
    readonly parallelCount: number
    readonly files: readonly FileToStage[]
  },
  onDraft: (bundleId: string) => void,
  report: Report,
  signal: AbortSignal
): Promise<StagedFiles> {
  const { namespace, parallelCount } = request
  const files = request.files.map(({ hashed }) => hashed)
  const upload = { namespace, files, idempotencyKey: randomUUID(), parallelCount, onDraft }
  const uploaded = await uploadBundle(server, upload, report, signal)
  const paths = new Map(request.files.map(file => [file.dependency, pathOf(file, uploaded.entries)]))
  return { ...uploaded, paths }
}

/** Bytes of all files, each as often as it is named. */
export function sumBytes(files: readonly { readonly sizeBytes: number }[]): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

async function toLocalFile({ kind, name, alias, path }: LocalDependency): Promise<LocalFile> {
  const info = await stat(path).catch(cause => {
    throw usageError(`${quote(path, 300)} cannot be read (${cause.code})`, { cause })
  })
  const executable = (kind === 'files' || kind === 'app') && (info.mode & 0o100) !== 0
  const file = { kind, name, filePath: path, sizeBytes: info.size, executable }
  return alias === undefined ? file : { ...file, alias }
}

function pathOf({ hashed }: FileToStage, entries: readonly Entry[]): string {
  const { kind, name, alias, sha256 } = hashed
  const entry = entries.find(
    other => other.kind === kind && other.name === name && other.alias === alias && other.sha256 === sha256
  )
  if (entry !== undefined) return entry.path
  throw new ClientError('internal', `the server's manifest lacks ${kind}/${name}`)
}
