import { connect, type Socket } from 'node:net'
import type { ErrorBody } from '../../shared/errors.ts'
import { bundlesPath } from '../../shared/paths.ts'
import { credential, type TestServer } from './start-server.ts'

/** An answer as it came over the socket. */
export interface RawAnswer {
  /** 0 when the server closed the connection without an answer. */
  readonly status: number
  /** The header lines, lowercase. */
  readonly head: string
  readonly error: ErrorBody
}

/** What a request's header section ends up as; every line the caller wants, and the three that all need. */
export function requestHead(method: string, path: string, headers: readonly string[]): string {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    `Authorization: Bearer ${credential}`,
    ...headers
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

/**
 * Sends exactly this text, one byte a character, and reads until the server closes.
 *
 * @param ending `end` closes our side after the last byte, as a client does that has no more to say
 */
export async function exchange(
  server: TestServer,
  text: string,
  ending: 'stay' | 'end' = 'stay'
): Promise<RawAnswer> {
  const socket = openSocket(server)
  if (ending === 'end') socket.end(text, 'latin1')
  else socket.write(text, 'latin1')
  return readAnswer(socket)
}

/** A connection to write to as one likes. */
export function openSocket(server: TestServer): Socket {
  // A server that has refused may close while we still write: its answer is what counts.
  return connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => {})
}

/** Reads until the server closes. */
export async function readAnswer(socket: Socket): Promise<RawAnswer> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  await new Promise(resolve => socket.once('close', resolve))
  const [head = '', body = ''] = Buffer.concat(chunks)
    .toString()
    .split(/\r\n\r\n(.*)/s)
  const json = body.startsWith('{') ? JSON.parse(body) : {}
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0), head: head.toLowerCase(), error: json }
}

/** One multipart part: its header lines and its content. */
export function part(headers: string, content = 'hello'): string {
  return `--B\r\n${headers}\r\n\r\n${content}\r\n`
}

/** A part with a kind and a filename, the filename as it stands. */
export function filePart(kind: string, filename: string, content = 'hello'): string {
  return part(`Content-Disposition: form-data; name="${kind}"; filename="${filename}"`, content)
}

/** Posts a multipart body as it stands to `team-a`. */
export function postMultipart(
  server: TestServer,
  body: string,
  headers: readonly string[] = [],
  contentType = 'multipart/form-data; boundary=B'
): Promise<RawAnswer> {
  const lines = [
    'Connection: close',
    `Content-Type: ${contentType}`,
    `Content-Length: ${body.length}`,
    ...headers
  ]
  return exchange(server, requestHead('POST', bundlesPath('team-a'), lines) + body)
}
