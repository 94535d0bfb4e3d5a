import { isLoopback } from '../shared/loopback.ts'
import { usageError } from './client-error.ts'

/**
 * The proxy between this machine and a server, as `HTTPS_PROXY` and `NO_PROXY` name it (lower case wins). Only https
 * goes through one, in a tunnel that it cannot look into; loopback never does.
 *
 * @returns undefined when the server is asked directly
 * @throws ClientError (usage) when the variable is no URL; it is not shown, for it may hold a password
 */
export function proxyFor(server: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const text = env['https_proxy'] || env['HTTPS_PROXY']
  if (server.protocol !== 'https:' || isLoopback(server.hostname) || !text) return undefined
  if (isExcluded(server, env['no_proxy'] || env['NO_PROXY'] || '')) return undefined
  const url = URL.parse(text.includes('://') ? text : `http://${text}`)
  if (url !== null && /^https?:$/.test(url.protocol)) return url
  throw usageError('HTTPS_PROXY: expected http://HOST:PORT or https://HOST:PORT, found something else')
}

/** Whether a list of hosts and domains, each perhaps with a port, names the server; `*` names all. */
function isExcluded({ hostname, port }: URL, list: string): boolean {
  const names = [hostname, hostname.replace(/^\[(.*)\]$/, '$1'), `${hostname}:${port || 443}`]
  return list
    .toLowerCase()
    .split(/[,\s]+/)
    .map(entry => entry.replace(/^\*?\./, ''))
    .some(entry => entry === '*' || names.some(name => name === entry || name.endsWith(`.${entry}`)))
}
