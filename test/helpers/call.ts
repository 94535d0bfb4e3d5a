import type { ErrorBody } from '../../shared/errors.ts'
import { bundlesPath, manifestPath } from '../../shared/paths.ts'
import { credential } from './start-server.ts'

/** A server that listens: one of `startServer`, or any other. */
export interface Listening {
  readonly url: string
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  /** The body as JSON; `{}` when it is none. Tests know what they asked for. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever field it is about
  readonly json: any
  readonly error: ErrorBody
}

/** Asks the server over a real socket. */
export async function call(
  server: Listening,
  method: string,
  path: string,
  init: RequestInit = {}
): Promise<Answer> {
  const response = await fetch(server.url + path, { method, redirect: 'error', ...init })
  const bytes = Buffer.from(await response.arrayBuffer())
  const isJson = response.headers.get('content-type')?.startsWith('application/json')
  const json = isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : {}
  return { status: response.status, headers: response.headers, bytes, json, error: json }
}

/** Asks as the uploader `alice`, with a JSON body if one is given. */
export function upload(server: Listening, method: string, path: string, body?: unknown): Promise<Answer> {
  const headers = { authorization: `Bearer ${credential}` }
  if (body === undefined) return call(server, method, path, { headers })
  return call(server, method, path, {
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body)
  })
}

/** A file of a one-shot upload: its kind, its filename as sent, its bytes. */
export type Part = readonly [kind: string, filename: string, content: string | Uint8Array<ArrayBuffer>]

/** Stages files in one multipart request. */
export function stage(
  server: Listening,
  parts: readonly Part[],
  options: { readonly namespace?: string; readonly key?: string; readonly credential?: string } = {}
): Promise<Answer> {
  const form = new FormData()
  for (const [kind, filename, content] of parts) form.append(kind, new Blob([content]), filename)
  const headers: Record<string, string> = { authorization: `Bearer ${options.credential ?? credential}` }
  if (options.key !== undefined) headers['idempotency-key'] = options.key
  return call(server, 'POST', bundlesPath(options.namespace ?? 'team-a'), { headers, body: form })
}

/** Reads the manifest, or below it. @param below for example `/entries/files/a.txt` */
export function download(
  server: Listening,
  bundleId: string,
  token: string,
  below = '',
  headers: Readonly<Record<string, string>> = {},
  method = 'GET'
): Promise<Answer> {
  const path = manifestPath('team-a', bundleId) + below
  return call(server, method, path, { headers: { authorization: `Bearer ${token}`, ...headers } })
}
