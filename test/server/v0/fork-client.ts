import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'

/** The boundary and everything else below are as the fork's own client (okhttp 3.8.1, Retrofit) sent them. */
const boundary = '8162c5d0-61ca-4920-a8ca-c7c9dc021632'

/** What ends the body. */
const closing = lines(`--${boundary}--`)

/** The owner that the fork's submission client names. */
export const recordedOwner =
  '{"ownerNamespace":"default","ownerLabels":{"spark-app-selector":"spark-lab","spark-role":"driver"},"ownerType":"Pod"}'

/** What the fork uploads when an application has no files: an empty tar, gzipped, 45 bytes. */
export const emptyArchive = Buffer.from(gzipSync(Buffer.alloc(10_240), { level: 9 }))

/** An answer as it came over the socket. */
export interface ForkAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** A part as okhttp writes it. */
export interface ForkPart {
  readonly name: string
  readonly type: string
  readonly content: Buffer
}

export const resourcesPart = (content: Buffer): ForkPart => ({
  name: 'resources',
  type: 'multipart/form-data',
  content
})

export const ownerPart = (owner = recordedOwner): ForkPart => ({
  name: 'resourcesOwner',
  type: 'application/json; charset=utf-8',
  content: Buffer.from(owner)
})

/** A whole upload request, byte for byte. */
export function uploadRequest(parts: readonly ForkPart[], path = '/api/v0/resources/'): Buffer {
  const body = Buffer.concat([
    ...parts.flatMap(part => [partHead(part, part.content.length), part.content, lines('')]),
    closing
  ])
  return Buffer.concat([requestHead(path, body.length), body])
}

/** An upload request without its resources: what comes before and after `sizeBytes` bytes of them. */
export function uploadAround(sizeBytes: number): { readonly before: Buffer; readonly after: Buffer } {
  const owner = ownerPart()
  const before = partHead(resourcesPart(Buffer.alloc(0)), sizeBytes)
  const after = Buffer.concat([
    lines(''),
    partHead(owner, owner.content.length),
    owner.content,
    lines(''),
    closing
  ])
  const head = requestHead('/api/v0/resources/', before.length + sizeBytes + after.length)
  return { before: Buffer.concat([head, before]), after }
}

/** A whole download request as the fork's init container sends it, and more header lines if wanted. */
export function downloadRequest(resourceId: string, secret: string, more: readonly string[] = []): Buffer {
  return lines(
    `GET /api/v0/resources/${resourceId} HTTP/1.1`,
    `Authorization: ${secret}`,
    'Host: 127.0.0.1:18102',
    'Connection: Keep-Alive',
    'Accept-Encoding: gzip',
    'User-Agent: okhttp/3.8.1',
    ...more,
    ''
  )
}

/** Opens a connection to a server; what goes wrong on it later is no error of the test. */
export function openConnection(url: string): Socket {
  return connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
}

/** Sends these bytes over a connection of its own and reads one answer with a Content-Length. */
export async function send(url: string, bytes: Buffer): Promise<ForkAnswer> {
  const socket = openConnection(url)
  try {
    socket.write(bytes)
    return await readForkAnswer(socket)
  } finally {
    socket.destroy()
  }
}

/** Reads one answer with a Content-Length, and leaves the connection open, as a client does that keeps it alive. */
export async function readForkAnswer(socket: Socket): Promise<ForkAnswer> {
  let received = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    received = Buffer.concat([received, chunk])
    const answer = parseAnswer(received)
    if (answer !== undefined) return answer
  }
  return { status: 0, headers: {}, body: received }
}

function parseAnswer(bytes: Buffer): ForkAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [statusLine = '', ...headerLines] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = Object.fromEntries(headerLines.map(line => splitHeader(line)))
  const body = bytes.subarray(end + 4)
  if (body.length < Number(headers['content-length'] ?? 0)) return undefined
  return { status: Number(statusLine.split(' ')[1]), headers, body }
}

function splitHeader(line: string): readonly [string, string] {
  const [, name = '', value = ''] = /^([^:]+): *(.*)$/.exec(line) ?? []
  return [name.toLowerCase(), value]
}

function requestHead(path: string, bodyBytes: number): Buffer {
  return lines(
    `POST ${path} HTTP/1.1`,
    `Content-Type: multipart/form-data; boundary=${boundary}`,
    `Content-Length: ${bodyBytes}`,
    'Host: 127.0.0.1:18101',
    'Connection: Keep-Alive',
    'Accept-Encoding: gzip',
    'User-Agent: okhttp/3.8.1',
    ''
  )
}

function partHead({ name, type }: ForkPart, contentBytes: number): Buffer {
  return lines(
    `--${boundary}`,
    `Content-Disposition: form-data; name="${name}"`,
    'Content-Transfer-Encoding: binary',
    `Content-Type: ${type}`,
    `Content-Length: ${contentBytes}`,
    ''
  )
}

/** Each line with its CR LF. */
function lines(...all: readonly string[]): Buffer {
  return Buffer.from(all.map(line => `${line}\r\n`).join(''), 'latin1')
}
