import { randomUUID } from 'node:crypto'
import type { Entry } from '../../shared/manifest.ts'
import type { Report } from '../../shared/progress.ts'
import { formatBytes } from '../../shared/units.ts'
import { type HashedFile, hashFiles } from '../hash-files.ts'
import { StageServer } from '../http-client.ts'
import { type LocalFile, selectFiles } from '../local-files.ts'
import { type PutOptions, serverName } from '../options.ts'
import { readServerOptions } from '../server-options.ts'
import { checkTokenFile, writeTokenFile } from '../token-file.ts'
import { uploadBundle } from '../upload-bundle.ts'

/** What `put --json` prints. The token itself is only in its file. */
export interface PutResult {
  /** `<namespace>/<bundleId>`, as `get --bundle` takes it. */
  readonly bundle: string
  readonly bundleId: string
  readonly namespace: string
  readonly server: string
  readonly tokenFile: string
  /** RFC 3339. */
  readonly expiresAt: string
  readonly entries: readonly Entry[]
  /** Bytes of the files that were sent. */
  readonly uploadedBytes: number
  /** Bytes of all distinct files. */
  readonly totalBytes: number
}

/**
 * Stages files as one bundle and writes its download token to a file. All that can be checked here is checked
 * before anything is sent.
 *
 * @throws ClientError with the cause that decides the exit code
 */
export async function put(options: PutOptions, report: Report, signal: AbortSignal): Promise<PutResult> {
  const { namespace, parallelCount } = options
  await checkTokenFile(options.tokenOut)
  const serverOptions = await readServerOptions(options, namespace, report, signal)
  const files = await hashAll(await selectFiles(options.selections), report, signal)

  // Not before: its patience is counted from here.
  await using connection = await StageServer.open(serverOptions)
  const request = { namespace, files, idempotencyKey: randomUUID(), parallelCount }
  const { token, ...uploaded } = await uploadBundle(connection, request, report, signal)

  const tokenFile = options.tokenOut.replace('<id>', uploaded.bundleId)
  const bundle = `${namespace}/${uploaded.bundleId}`
  await writeTokenFile(tokenFile, token, bundle)
  return { bundle, namespace, server: serverName(options.server), tokenFile, ...uploaded }
}

/** The result of {@link put} for people. */
export function describePut({ bundle, tokenFile, expiresAt, uploadedBytes, totalBytes }: PutResult): string {
  const rest = uploadedBytes < totalBytes ? '; the rest was there already' : ''
  return [
    `bundle    ${bundle}`,
    `token     ${tokenFile}`,
    `expires   ${expiresAt}`,
    `uploaded  ${formatBytes(uploadedBytes)} of ${formatBytes(totalBytes)}${rest}`
  ].join('\n')
}

async function hashAll(
  files: readonly LocalFile[],
  report: Report,
  signal: AbortSignal
): Promise<readonly HashedFile[]> {
  const totalBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  const progress = report.begin('Hashing', totalBytes)
  try {
    return await hashFiles(files, progress.move, signal)
  } finally {
    progress.end()
  }
}
