import type { Report } from '../../shared/progress.ts'
import { askForBundle } from '../ask-for-bundle.ts'
import { StageServer } from '../http-client.ts'
import type { TokenOptions } from '../options.ts'
import { parseCommit } from '../server-answer.ts'
import { readServerOptions } from '../server-options.ts'
import { checkTokenFile, writeTokenFile } from '../token-file.ts'

/** What `token --json` prints. The token itself is only in its file. */
export interface TokenResult {
  readonly bundle: string
  readonly tokenFile: string
  /** When the bundle's lease ends, RFC 3339. */
  readonly expiresAt: string
}

/**
 * Has a bundle's download token signed again and writes it to a file. The older tokens stay good.
 *
 * @throws ClientError with the cause that decides the exit code
 */
export async function token(
  options: TokenOptions,
  report: Report,
  signal: AbortSignal
): Promise<TokenResult> {
  const { namespace, bundleId } = options.bundle
  const tokenFile = options.tokenOut.replace('<id>', bundleId)
  await checkTokenFile(tokenFile)
  await using server = await StageServer.open(await readServerOptions(options, namespace, report, signal))
  const parse = (json: unknown) => parseCommit(json, bundleId)
  const call = { method: 'POST', below: '/token', parse } as const
  const signed = await askForBundle(server, options.bundle, call, signal)
  const bundle = `${namespace}/${bundleId}`
  await writeTokenFile(tokenFile, signed.token, bundle)
  return { bundle, tokenFile, expiresAt: signed.expiresAt }
}

/** The result of {@link token} for people. */
export function describeToken({ bundle, tokenFile, expiresAt }: TokenResult): string {
  return [`bundle    ${bundle}`, `token     ${tokenFile}`, `expires   ${expiresAt}`].join('\n')
}
