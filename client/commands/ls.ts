import { bundlesPath } from '../../shared/paths.ts'
import type { Report } from '../../shared/progress.ts'
import { formatBytes } from '../../shared/units.ts'
import { formatWhen } from '../format-when.ts'
import { StageServer } from '../http-client.ts'
import { type ListOptions, serverName } from '../options.ts'
import { type ListedBundle, parseList } from '../server-answer.ts'
import { readServerOptions } from '../server-options.ts'

/** What `ls --json` prints. */
export interface ListResult {
  readonly namespace: string
  readonly server: string
  /** Newest first. */
  readonly bundles: readonly (ListedBundle & {
    /** `<namespace>/<bundleId>`, as the other commands take it. */
    readonly bundle: string
  })[]
}

/** As many as the server gives at once. */
const pageCount = 1000

/**
 * Lists what a namespace holds: bundles, and drafts whose bytes are still arriving.
 *
 * @throws ClientError with the cause that decides the exit code
 */
export async function ls(options: ListOptions, report: Report, signal: AbortSignal): Promise<ListResult> {
  const { namespace } = options
  await using server = await StageServer.open(await readServerOptions(options, namespace, report, signal))
  const bundles: ListedBundle[] = []
  for (let after: string | undefined = ''; after !== undefined; ) {
    const from: string = after
    const query = from === '' ? '' : `&after=${from}`
    const path = `${bundlesPath(namespace)}?limit=${pageCount}${query}`
    const page = await server.call({ method: 'GET', path, parse: json => parseList(json, from) }, signal)
    bundles.push(...page.bundles)
    after = page.next
  }
  const newestFirst = bundles.toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt))
  const named = newestFirst.map(row => ({ bundle: `${namespace}/${row.bundleId}`, ...row }))
  return { namespace, server: serverName(options.server), bundles: named }
}

/** The result of {@link ls} for people: a table. @param nowMs milliseconds since the epoch */
export function describeList({ namespace, bundles }: ListResult, nowMs: number): string {
  if (bundles.length === 0) return `no bundles in namespace ${namespace}`
  const rows = bundles.map(({ bundle, state, principal, sizeBytes, createdAt, expiresAt }) => [
    bundle,
    state,
    principal,
    sizeBytes === undefined ? '' : formatBytes(sizeBytes),
    formatWhen(Date.parse(createdAt), nowMs),
    formatWhen(Date.parse(expiresAt), nowMs)
  ])
  return align(['BUNDLE', 'STATE', 'PRINCIPAL', 'SIZE', 'CREATED', 'EXPIRES'], rows)
}

/** Every column as wide as its widest text, the last without white space after it. */
function align(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = titles.map((title, column) => [title, ...rows.map(row => String(row[column]))])
  const padded = columns.map(texts => {
    const width = Math.max(...texts.map(text => text.length))
    return texts.map(text => text.padEnd(width))
  })
  return [titles, ...rows]
    .map((_, line) =>
      padded
        .map(texts => texts[line])
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}
