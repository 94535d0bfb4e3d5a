import { retryAfterMs } from '../shared/backoff.ts'
import { quote } from '../shared/errors.ts'
import { KiB } from '../shared/units.ts'
import { FetchError, TransientError } from './fetch-error.ts'
import type { Answer } from './http-client.ts'
import { readText } from './read-text.ts'

const maxErrorBytes = 64 * KiB
/** The fields of an error body that help a reader, see `ErrorBody`. */
const shownFields = ['code', 'message', 'expected', 'found', 'reason', 'endedAt', 'requestId'] as const

/**
 * What an answer that is no success means: 408, 429 and 5xx may pass, 404 and 410 say that the bundle is gone, all
 * others (redirects too) that the server refuses. Reads the body for the server's reason.
 *
 * @param token is blotted out, should the server repeat it
 */
export async function explainStatus(
  subject: string,
  answer: Answer,
  token: string | undefined
): Promise<Error> {
  const { statusCode, headers } = answer
  const body = await readText(answer.body, maxErrorBytes)
  const found = `status ${statusCode}${describe(token === undefined ? body : body?.replaceAll(token, '[token]'))}`
  const failure = { subject, expected: 'status 200', found }
  if (statusCode === 408 || statusCode === 429 || statusCode >= 500) {
    const header = headers['retry-after']
    const waitMs = retryAfterMs(typeof header === 'string' ? header : undefined, Date.now())
    return new TransientError({ ...failure, exit: 'gaveUp' }, waitMs)
  }
  return new FetchError({ ...failure, exit: statusCode === 404 || statusCode === 410 ? 'gone' : 'refused' })
}

function describe(text: string | undefined): string {
  const body = parse(text)
  const fields = shownFields.flatMap(name => {
    const value = body[name]
    return typeof value === 'string' ? [`${name} ${quote(value)}`] : []
  })
  return fields.length === 0 ? '' : `, ${fields.join(', ')}`
}

function parse(text = ''): Readonly<Record<string, unknown>> {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? { ...body } : {}
  } catch {
    // Whoever answered is not our server; its status says enough.
    return {}
  }
}
