import { type StagedFile, stagedFiles } from '../shared/manifest.ts'
import { secondMs } from '../shared/units.ts'
import { EntrySource } from './entry-source.ts'
import { explainDiskError } from './fetch-error.ts'
import { fetchFile } from './fetch-file.ts'
import { fetchManifest } from './fetch-manifest.ts'
import { checkFreeSpace } from './free-space.ts'
import { HttpClient } from './http-client.ts'
import { inParallel } from './in-parallel.ts'
import { StagingDirectory } from './staging-directory.ts'
import { realSurroundings, type Surroundings } from './surroundings.ts'
import { Tally } from './tally.ts'

export { FetchError } from './fetch-error.ts'

/** What to fetch, from where, to where. Times are milliseconds. */
export interface FetchOptions {
  /** `http(s)://host[:port][/prefix]`, without credentials. */
  readonly server: URL
  readonly namespace: string
  /** 32 lowercase hex digits. */
  readonly bundleId: string
  /** File with the download token, one line. */
  readonly tokenFile: string
  /** The staging directory; made when it does not exist. Files of the bundle's names in it are replaced. */
  readonly into: string
  /** PEM file of the only authorities to trust for https; undefined means those of Node. */
  readonly caFile?: string | undefined
  /** The name that the server's certificate has to have; undefined means the one in `server`. */
  readonly servername?: string | undefined
  /** Tunnels https; undefined means that the server is asked directly. */
  readonly proxy?: URL | undefined
  /** Send the token over plain http to a host other than loopback. */
  readonly allowPlaintext: boolean
  /** Files fetched at the same time. */
  readonly parallelCount: number
  /** An attempt without a byte for this long is dropped and asked again. */
  readonly stallMs: number
  /** A file without a new byte for this long ends the fetch. */
  readonly giveUpMs: number
}

/** The patience that every caller starts from. */
export const fetchDefaults = { parallelCount: 4, stallMs: 30 * secondMs, giveUpMs: 900 * secondMs } as const

/** Values that are safe to show: no secret is ever among them. */
export type EventFields = Readonly<Record<string, string | number | boolean>>

/** How far a fetch has come. */
export interface FetchProgress {
  readonly fileCount: number
  readonly doneFileCount: number
  readonly sizeBytes: number
  readonly doneBytes: number
}

/** Where a fetch tells what happens. It is called often and must return at once. */
export interface Report {
  /** @param sentence fixed; what varies goes into `fields` */
  event(level: 'info' | 'warn' | 'error', sentence: string, fields?: EventFields): void
  /** Called for every chunk that arrives, so thousands of times a second: show only some. */
  progress(progress: FetchProgress): void
}

/** What a finished fetch did. */
export interface FetchSummary {
  readonly fileCount: number
  readonly sizeBytes: number
  /** Bytes of bodies that crossed the network, those fetched again included. */
  readonly fetchedBytes: number
  readonly fetchedFileCount: number
  /** Files that were right already. */
  readonly keptFileCount: number
  readonly durationMs: number
}

/**
 * Lays out the files of one bundle below `options.into`, exactly as its manifest says, and writes
 * `.spark-stage-complete` last. Run again, it fetches only what is missing or damaged; an interrupted run leaves its
 * parts in `.partial-<bundleId>` for the next one.
 *
 * @param signal stops the fetch cleanly; the promise then rejects with the signal's reason
 * @throws FetchError whose `failure.exit` is the row of the exit code table
 */
export async function fetchBundle(
  options: FetchOptions,
  report: Report,
  signal: AbortSignal,
  surroundings: Surroundings = realSurroundings
): Promise<FetchSummary> {
  const startedMs = surroundings.nowMs()
  try {
    await using client = await HttpClient.open(options)
    await using entries = new EntrySource(options, report, client)
    const summary = await layOut({ options, report, surroundings, client, entries }, signal)
    return { ...summary, durationMs: Math.round(surroundings.nowMs() - startedMs) }
  } catch (error) {
    signal.throwIfAborted()
    throw explainDiskError(error, options.into)
  }
}

/** What each part of a fetch works with. */
export interface FetchTask {
  readonly options: FetchOptions
  readonly report: Report
  readonly surroundings: Surroundings
  readonly client: HttpClient
  readonly entries: EntrySource
}

async function layOut(task: FetchTask, signal: AbortSignal): Promise<Omit<FetchSummary, 'durationMs'>> {
  const { options, report, surroundings } = task
  const staging = await StagingDirectory.open(options.into, options.namespace, options.bundleId)
  const files = stagedFiles((await fetchManifest(task, signal)).entries)
  const missing = await staging.missing(files, signal)
  const sizeBytes = sumBytes(files)
  const keptFileCount = files.length - missing.length
  report.event('info', 'manifest read', { fileCount: files.length, sizeBytes, keptFileCount })
  await checkFreeSpace(options.into, await staging.wantedBytes(missing), surroundings)
  const tally = new Tally({ fileCount: files.length, sizeBytes }, report)
  for (const file of missing) tally.expect(file.sizeBytes)
  await inParallel(missing, options.parallelCount, signal, async (file, both) => {
    await fetchFile(task, file, staging.partPath(file), tally, both)
  })
  await staging.complete(missing, { fileCount: files.length, sizeBytes })
  return {
    fileCount: files.length,
    sizeBytes,
    fetchedBytes: tally.fetchedBytes,
    fetchedFileCount: missing.length,
    keptFileCount
  }
}

function sumBytes(files: readonly StagedFile[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0)
}
