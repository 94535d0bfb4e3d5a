import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Report as FetchReport, fetchBundle, fetchDefaults } from '../../init-container/fetch-bundle.ts'
import { type ExitCause, exitCodes } from '../../shared/exit-codes.ts'
import { kinds } from '../../shared/names.ts'
import { formatBytes } from '../../shared/units.ts'
import { ClientError } from '../client-error.ts'
import { type GetOptions, serverName } from '../options.ts'
import type { Progress, Report } from '../report.ts'

/** What `get --json` prints. */
export interface GetResult {
  readonly bundle: string
  readonly server: string
  readonly into: string
  /** Paths below `into`, sorted. */
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[]
  readonly fetchedBytes: number
  readonly totalBytes: number
}

/**
 * Lays a bundle out in a directory, by the same code that runs in the pods.
 *
 * @throws ClientError with the cause that decides the exit code
 */
export async function get(options: GetOptions, report: Report, signal: AbortSignal): Promise<GetResult> {
  const { namespace, bundleId, into } = options
  const shown = new ShownFetch(report)
  const stallMs = Math.min(fetchDefaults.stallMs, options.giveUpMs)
  const fetching = fetchBundle({ ...options, stallMs }, shown, signal).finally(() => shown.end())
  const { sizeBytes, fetchedBytes } = await fetching.catch(error => {
    signal.throwIfAborted()
    throw explain(error)
  })
  const files = await listFiles(into)
  const bundle = `${namespace}/${bundleId}`
  return { bundle, server: serverName(options.server), into, files, fetchedBytes, totalBytes: sizeBytes }
}

/** The result of {@link get} for people: the tree, and what it took. */
export function describeGet({ bundle, into, files, fetchedBytes, totalBytes }: GetResult): string {
  const tree = files.map(({ path, sizeBytes }, index) => {
    const branch = index === files.length - 1 ? '└─' : '├─'
    return `${branch} ${path}  ${formatBytes(sizeBytes)}`
  })
  const rest = fetchedBytes < totalBytes ? '; the rest was there already' : ''
  const fetched = `fetched   ${formatBytes(fetchedBytes)} of ${formatBytes(totalBytes)}${rest}`
  return [`bundle    ${bundle}`, fetched, into, ...tree].join('\n')
}

/** A fetch's events in the client's own report. */
class ShownFetch implements FetchReport {
  readonly #report: Report
  #progress: Progress | undefined
  #doneBytes = 0

  constructor(report: Report) {
    this.#report = report
  }

  readonly event: FetchReport['event'] = (level, sentence, fields = {}) => {
    if (level === 'info') return
    const more = Object.entries(fields).map(([name, value]) => `${name} ${value}`)
    this.#report.note([sentence, ...more].join(', '))
  }

  readonly progress: FetchReport['progress'] = ({ sizeBytes, doneBytes }) => {
    this.#progress ??= this.#report.begin('Fetching', sizeBytes)
    this.#progress.move(doneBytes - this.#doneBytes)
    this.#doneBytes = doneBytes
  }

  end(): void {
    this.#progress?.end()
  }
}

async function listFiles(into: string): Promise<GetResult['files']> {
  const found = (await readdir(into, { recursive: true })).toSorted()
  const staged = found.filter(path => kinds.some(kind => path.startsWith(`${kind}/`)))
  return Promise.all(staged.map(async path => ({ path, sizeBytes: (await stat(join(into, path))).size })))
}

/** A failed fetch says which exit code it means; anything else is passed on. */
function explain(error: unknown): unknown {
  // A boundary: the class itself is no part of the init container's door.
  const exit = (error as { readonly failure?: { readonly exit?: ExitCause } }).failure?.exit
  if (exit === undefined || !(exit in exitCodes)) return error
  return new ClientError(exit, (error as Error).message, { cause: error })
}
