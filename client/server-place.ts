import { forkKeys } from '../shared/fork-keys.ts'
import { isNamespace } from '../shared/names.ts'

/** Where the staging server is: at an address, or a Service behind the API server. */
export type ServerPlace =
  | { readonly type: 'url'; readonly url: URL }
  | { readonly type: 'service'; readonly namespace: string; readonly service: string; readonly port?: number }

/** An address of a server that is none, in words for people. */
export class PlaceError extends Error {
  override readonly name = 'PlaceError'
}

/** The port of our Service, where an address of one names none. */
const usualPort = 10_000

/**
 * Reads `http(s)://host[:port][/prefix]` or `k8s://namespace/service[:port]`.
 *
 * @throws PlaceError in words that do not repeat a password
 */
export function serverPlace(text: string | undefined): ServerPlace {
  if (text === undefined) {
    throw new PlaceError(`no staging server is named: say --server URL, or --conf ${forkKeys.server}=URL`)
  }
  if (text.startsWith('k8s://')) return servicePlace(text)
  const url = URL.parse(text)
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search + url.hash === ''
  if (isPlain && url.username + url.password === '') return { type: 'url', url }
  if (isPlain)
    throw new PlaceError('expected no user name and no password in the URL; secrets come from files')
  throw new PlaceError(
    `expected http://HOST:PORT, https://HOST:PORT or k8s://NAMESPACE/SERVICE, found ${JSON.stringify(text)}`
  )
}

/** A Service as the pods of its cluster know it. */
export function inCluster(place: ServerPlace & { readonly type: 'service' }, isTls: boolean): URL {
  const { namespace, service, port = usualPort } = place
  return new URL(`${isTls ? 'https' : 'http'}://${service}.${namespace}.svc:${port}`)
}

/** A server as people write it. */
export function nameOfPlace(place: ServerPlace): string {
  if (place.type === 'url') return place.url.href.replace(/\/$/, '')
  const { namespace, service, port } = place
  return `k8s://${namespace}/${service}${port === undefined ? '' : `:${port}`}`
}

function servicePlace(text: string): ServerPlace {
  const [, namespace = '', service = '', portText] = /^k8s:\/\/([^/]*)\/([^/:]*)(?::(\d+))?$/.exec(text) ?? []
  const port = portText === undefined ? undefined : Number(portText)
  // A Service's name keeps to the same rules as a namespace's, nearly.
  if (
    !isNamespace(namespace) ||
    !isNamespace(service) ||
    (port !== undefined && (port < 1 || port > 65_535))
  ) {
    throw new PlaceError(
      `expected k8s://NAMESPACE/SERVICE or k8s://NAMESPACE/SERVICE:PORT, found ${JSON.stringify(text)}`
    )
  }
  return { type: 'service', namespace, service, ...(port === undefined ? {} : { port }) }
}
