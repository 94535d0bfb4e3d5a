import { basename } from 'node:path'
import { styleText } from 'node:util'
import type { DemoFile } from './demo-files.ts'
import { say } from './print.ts'
import { run } from './programs.ts'

const namespace = 'demo'

/**
 * Stages files by the real client.
 *
 * @returns `<namespace>/<bundleId>`
 * @throws Error when the client does not end with 0
 */
export async function put(
  url: string,
  files: readonly DemoFile[],
  tokenFile: string,
  show: 'shown' | 'silent',
  signal: AbortSignal
): Promise<string> {
  const selected = files.flatMap(({ flag, filePath, alias }) => [
    flag,
    alias ? `${filePath}#${alias}` : filePath
  ])
  const common = ['put', '--server', url, '--namespace', namespace, '--token-out', tokenFile]
  if (show === 'shown') {
    const short = files.map(
      ({ flag, filePath, alias }) => `${flag} ${basename(filePath)}${alias ? `#${alias}` : ''}`
    )
    say(styleText('dim', `  $ spark-stage put ${short.join(' ')}`))
  }
  const { code, stdout } = await run(
    'stage',
    [...common, ...selected, ...(show === 'shown' ? [] : ['--json'])],
    signal
  )
  if (code !== 0) throw new Error(`spark-stage put ended with ${code}`)
  if (show === 'shown') say(stdout.trimEnd().replaceAll(/^/gm, '  '))
  const bundle = /demo\/[0-9a-f]{32}/.exec(stdout)?.[0]
  if (bundle === undefined) throw new Error('spark-stage put named no bundle')
  return bundle
}

/** Lays a bundle out by the real init container and shows its log shortened. @throws Error when it does not end with 0 */
export async function fetchAsPod(
  url: string,
  bundle: string,
  tokenFile: string,
  into: string,
  signal: AbortSignal
): Promise<void> {
  say(styleText('dim', '  $ spark-stage-init --bundle … --token-file … --into …'))
  const { code, stdout } = await runInit(url, bundle, tokenFile, into, signal)
  for (const line of stdout.trim().split('\n')) say(`  ${summarize(line)}`)
  if (code !== 0) throw new Error(`spark-stage-init ended with ${code}`)
}

/** Runs the real init container to its end, whatever that is. */
export function runInit(url: string, bundle: string, tokenFile: string, into: string, signal: AbortSignal) {
  return run('init', ['--server', url, '--bundle', bundle, '--token-file', tokenFile, '--into', into], signal)
}

/** A line of the init container's log with its sentence and its numbers. */
function summarize(line: string): string {
  const { level, event, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>
  const numbers = Object.entries(fields).filter(([, value]) => typeof value === 'number')
  return [`${level}  ${event}`, ...numbers.map(([name, value]) => `${name} ${value}`)].join('  ')
}
