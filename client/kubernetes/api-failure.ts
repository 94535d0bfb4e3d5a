import { ClientError, describe } from '../client-error.ts'

/** What was asked of the API server, in the words of its authorization. */
export interface ApiRequest {
  readonly verb: string
  /** With its subresource: `pods/portforward`. */
  readonly resource: string
  readonly namespace: string
  /** Absent for a list. */
  readonly name?: string
  /** What else one can do without this right. */
  readonly instead?: string
}

/**
 * Why the API server did not do it, for people. Missing rights and credentials are `refused`, what does not exist is
 * `usage`, and everything that may pass is `gaveUp`.
 *
 * @param error what the client rejected with: an `ApiException`, or a failure of the network
 */
export function apiFailure(error: unknown, request: ApiRequest, apiServer: string): ClientError {
  if (error instanceof ClientError) return error
  // A boundary: the client's errors carry the status as `code`; those of the network a text there.
  const { code, message, cause } = error as {
    readonly code?: unknown
    readonly message?: string
    readonly cause?: Error
  }
  const what = `${request.verb} ${request.resource} in namespace ${JSON.stringify(request.namespace)}`
  const options = { cause: error }
  if (typeof code !== 'number') {
    const why = cause?.message || cause?.name || message
    return new ClientError('gaveUp', `the API server ${apiServer} cannot be reached: ${why}`, options)
  }
  const found = statusMessage(error)
  if (code === 403) {
    const instead = request.instead === undefined ? '' : `, or ${request.instead}`
    const todo = `Ask for the right to ${what}${instead}.`
    return new ClientError('refused', describe(`cannot ${what}`, { found, todo }), options)
  }
  if (code === 401) {
    const sentence = `the API server ${apiServer} does not accept the credential of the kubeconfig`
    return new ClientError('refused', describe(sentence, { found, todo: 'Log in again.' }), options)
  }
  if (code === 404) {
    const name = request.name === undefined ? '' : ` ${JSON.stringify(request.name)}`
    const missing = `${request.resource}${name} in namespace ${JSON.stringify(request.namespace)}`
    const todo = 'Check the names, and that the kubeconfig is the one of this cluster.'
    return new ClientError('usage', describe(`cannot ${request.verb} ${missing}`, { found, todo }), options)
  }
  const exitCause = code === 429 || code >= 500 ? 'gaveUp' : 'refused'
  return new ClientError(exitCause, describe(`could not ${what} (HTTP ${code})`, { found }), options)
}

/** Whether the API server said that the thing does not exist. */
export function isNotFound(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 404
}

/** The `message` of the Status object that the API server answers with. */
function statusMessage(error: unknown): string {
  const { body } = error as { readonly body?: unknown }
  const status = typeof body === 'string' ? parse(body) : body
  const isStatus = typeof status === 'object' && status !== null && 'message' in status
  return isStatus ? String(status.message) : 'no reason'
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return { message: text.slice(0, 300) }
  }
}
