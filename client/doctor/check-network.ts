import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { secondMs } from '../../shared/units.ts'
import { ClientError, describe, usageError } from '../client-error.ts'
import { formatWhen } from '../format-when.ts'
import type { Finding } from './examination.ts'

/** What is connected to: the server, or the proxy before it. */
export interface Endpoint {
  /** Without the brackets of an IPv6 address. */
  readonly host: string
  readonly port: number
  /** For messages. */
  readonly what: 'server' | 'proxy'
}

/** How long a connection may take to open. */
const connectMs = 10 * secondMs

/** Where a URL leads. */
export function endpointOf(url: URL, what: Endpoint['what']): Endpoint {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, what }
}

/** The addresses of a host. @throws ClientError (gaveUp), as the commands would end */
export async function checkName({ host, what }: Endpoint): Promise<Finding<undefined>> {
  try {
    const addresses = await lookup(host, { all: true })
    const text = addresses.map(({ address }) => address).join(', ')
    return { found: undefined, message: isIP(host) === 0 ? `${host} is ${text}` : `${host} is an address` }
  } catch (cause) {
    const todo = `Check the host of the ${what}, and the DNS or VPN of this machine.`
    throw unreachable(
      describe(`the ${what}'s host ${host} has no address (${codeOf(cause)})`, { todo }),
      cause
    )
  }
}

/** Whether something listens. @throws ClientError (gaveUp) */
export async function checkConnection(
  { host, port, what }: Endpoint,
  signal: AbortSignal
): Promise<Finding<undefined>> {
  const startedAt = performance.now()
  try {
    await opened(connectTcp({ host, port }), 'connect', signal)
    const tookMs = Math.ceil(performance.now() - startedAt)
    return {
      found: undefined,
      message: `the ${what} accepts connections on port ${port}, after ${tookMs} ms`
    }
  } catch (cause) {
    signal.throwIfAborted()
    const todo = `Check the port and whether the ${what} runs, and that no firewall or network policy is between.`
    throw unreachable(describe(`no connection to ${host} port ${port} (${codeOf(cause)})`, { todo }), cause)
  }
}

/** Whether the server's certificate is good for its name and trusted here. @throws ClientError (usage) */
export async function checkCertificate(
  { host, port }: Endpoint,
  ca: string | undefined,
  signal: AbortSignal
): Promise<Finding<undefined>> {
  const servername = isIP(host) === 0 ? { servername: host } : {}
  // Judged below: a refused handshake would not show the certificate. Nothing is sent on this connection.
  const socket = connectTls({ host, port, ca, ...servername, rejectUnauthorized: false })
  try {
    const seen = await opened(socket, 'secureConnect', signal, secure => ({
      certificate: secure.getPeerCertificate(),
      problem: secure.authorized ? undefined : String(secure.authorizationError)
    }))
    if (seen.problem !== undefined) throw untrusted(seen.problem, seen.certificate, host)
    const ends = formatWhen(Date.parse(seen.certificate.valid_to), Date.now())
    return { found: undefined, message: `trusted for ${host}, ends ${ends}` }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof ClientError) throw error
    const todo = 'Check --server: the port may be one for plain http.'
    throw usageError(describe(`no TLS on port ${port} (${codeOf(error)})`, { todo }), { cause: error })
  }
}

type Certificate = ReturnType<TLSSocket['getPeerCertificate']>

function untrusted(problem: string, certificate: Certificate, host: string): ClientError {
  const { valid_from, valid_to, subject, subjectaltname, issuer } = certificate
  const sentence = `the certificate of the server is not good (${problem})`
  if (problem === 'CERT_HAS_EXPIRED' || problem === 'CERT_NOT_YET_VALID') {
    const found = `one from ${toIso(valid_from)} to ${toIso(valid_to)}`
    const todo = 'Have the operator renew it; check the clock of this machine.'
    return usageError(describe(sentence, { expected: 'a certificate for today', found, todo }))
  }
  if (problem === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const expected = `a certificate for ${host}`
    const todo =
      'Name the server by a name of its certificate in --server, or have the operator add this one.'
    const names = [subject.CN, subjectaltname].flat().filter(Boolean).join(', ')
    return usageError(describe(sentence, { expected, found: `one for ${names}`, todo }))
  }
  const found = `one signed by ${[issuer.CN].flat().join(' ')}`
  const todo = 'Name the authority that signed it with --ca-file, and check --server.'
  return usageError(describe(sentence, { expected: 'one that a trusted authority signed', found, todo }))
}

/** Waits until a socket is open, looks at it and closes it. */
async function opened<Opened extends Socket, Seen = void>(
  socket: Opened,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
  look: (socket: Opened) => Seen = () => undefined as Seen
): Promise<Seen> {
  try {
    await once(socket, event, { signal: AbortSignal.any([signal, AbortSignal.timeout(connectMs)]) })
    return look(socket)
  } finally {
    socket.destroy()
  }
}

function unreachable(message: string, cause: unknown): ClientError {
  return new ClientError('gaveUp', message, { cause })
}

/** The code of a system's or OpenSSL's error; of an answer that never came, that it did not. */
function codeOf(error: unknown): string {
  // A boundary: what sockets and DNS reject with.
  const { code, name } = error as NodeJS.ErrnoException
  return name === 'AbortError' ? `no answer within ${connectMs / secondMs} s` : String(code)
}

/** A time of a certificate, which is written `Jan  1 00:00:00 2120 GMT`. */
function toIso(text: string): string {
  return new Date(text).toISOString()
}
