import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  FetchError,
  type Report as FetchReport,
  fetchBundle,
  fetchDefaults
} from '../../init-container/fetch-bundle.ts'
import { quote } from '../../shared/errors.ts'
import { kinds } from '../../shared/names.ts'
import type { Progress, Report } from '../../shared/progress.ts'
import { formatBytes } from '../../shared/units.ts'
import { ClientError, describe, usageError } from '../client-error.ts'
import { type GetOptions, serverName } from '../options.ts'
import { openWay } from '../server-options.ts'

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
  await refuseForeignFolder(into, bundleId)
  const shown = new ShownFetch(report)
  const stallMs = Math.min(fetchDefaults.stallMs, options.giveUpMs)
  const { url, servername, close } = await openWay(options, report.note, signal)
  const fetching = fetchBundle({ ...options, server: url, servername, stallMs }, shown, signal)
  const { sizeBytes, fetchedBytes } = await fetching
    .catch(error => {
      signal.throwIfAborted()
      throw explain(error)
    })
    .finally(async () => {
      shown.end()
      await close()
    })
  const files = await listFiles(into)
  const bundle = `${namespace}/${bundleId}`
  return { bundle, server: serverName(options.server), into, files, fetchedBytes, totalBytes: sizeBytes }
}

/**
 * Files that are none of ours could have the names of the bundle's, and be replaced. What an earlier `get` of this
 * bundle left is welcome; whether a finished folder holds this bundle or another is for the fetch to find out.
 */
async function refuseForeignFolder(into: string, bundleId: string): Promise<void> {
  // What is missing is made, and what cannot be read is explained, by the fetch.
  const found = await readdir(into).catch(() => [])
  const ours = ['.spark-stage-complete', `.partial-${bundleId}`]
  if (found.length === 0 || found.some(name => ours.includes(name))) return
  throw usageError(
    describe(`--into ${quote(into, 300)} cannot be used`, {
      expected: 'a new or an empty folder, or one that this bundle was fetched into',
      found: quote(found.toSorted().join(' ')),
      todo: 'Name another folder, such as one below it.'
    })
  )
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
  if (!(error instanceof FetchError)) return error
  return new ClientError(error.failure.exit, error.message, { cause: error })
}
