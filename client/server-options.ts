import type { Report } from '../shared/progress.ts'
import type { ServerOptions } from './http-client.ts'
import type { UploaderOptions } from './options.ts'
import { readAuthorities, readSecret } from './read-files.ts'

/**
 * How an uploader's command talks to its server, with what its files hold.
 *
 * @throws ClientError (usage) when a file cannot be used
 */
export async function readServerOptions(
  { server, proxy, uploadTokenFile, caFile, giveUpMs }: UploaderOptions,
  report: Report
): Promise<ServerOptions> {
  const uploadToken = uploadTokenFile && (await readSecret(uploadTokenFile, '--upload-token-file'))
  const ca = caFile && (await readAuthorities(caFile, '--ca-file'))
  return { url: server, proxy, uploadToken, ca, giveUpMs, onRetry: report.note }
}
