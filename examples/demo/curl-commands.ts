import type { Entry } from '../../shared/manifest.ts'
import { bundlePath, bundlesPath, entryPath, manifestPath } from '../../shared/paths.ts'

/** What there is to play with. */
export interface Playground {
  readonly url: string
  /** `<namespace>/<bundleId>`. */
  readonly bundle: string
  readonly tokenFile: string
  readonly entries: readonly Entry[]
  /** Any file, to upload once more. */
  readonly someFile: string
}

/** One command for the shell, and what it shows. */
export interface CurlCommand {
  readonly title: string
  readonly command: string
}

/** Commands that work as they stand: paste them into a shell. */
export function curlCommands({
  url,
  bundle,
  tokenFile,
  entries,
  someFile
}: Playground): readonly CurlCommand[] {
  const [namespace = '', bundleId = ''] = bundle.split('/')
  const token = `-H "Authorization: Bearer $(cat ${quoted(tokenFile)})"`
  const path = entries[0]?.path ?? ''
  return [
    {
      title: 'Upload a file in one request; the answer has a token',
      command: `curl -sS -F ${quoted(`files=@"${someFile}"`)} ${url}${bundlesPath(namespace)}`
    },
    {
      title: 'Read the manifest of the bundle',
      command: `curl -sS ${token} ${url}${manifestPath(namespace, bundleId)}`
    },
    {
      title: 'Read the first 64 bytes of a file',
      command: `curl -sS -r 0-63 ${token} ${quoted(url + entryPath(namespace, bundleId, path))}`
    },
    {
      title: 'The same without the token',
      command: `curl -sS ${quoted(url + entryPath(namespace, bundleId, path))}`
    },
    {
      title: 'Revoke the bundle; its token opens nothing from then on',
      command: `curl -sS -X DELETE -w '%{http_code}\\n' ${url}${bundlePath(namespace, bundleId)}`
    }
  ]
}

/** A word for the shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
