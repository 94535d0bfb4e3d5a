import { type ClientError, describe, usageError } from './client-error.ts'
import { RetryableError } from './retry.ts'

/**
 * What a failed exchange means for the command: a failure of the network passes, a certificate that is not trusted
 * does not.
 *
 * @param error what the socket, TLS or the HTTP client rejected with
 * @param proxy what the server was asked through, if anything
 */
export function networkFailure(error: unknown, server: URL, proxy?: URL): RetryableError | ClientError {
  // A boundary: such errors carry a code; one that stands for several addresses has no message.
  const { code, message } = error as NodeJS.ErrnoException
  const way = proxy === undefined ? '' : ` through the proxy ${proxy.host}`
  const sentence = `no answer from ${server.origin}${way}: ${message || code}`
  if (!/CERT|SIGNATURE|UNABLE_TO|^ERR_SSL/.test(String(code)))
    return new RetryableError(sentence, 0, { cause: error })
  const todo =
    'Name the authority that signed the certificate of the server with --ca-file, and check --server.'
  return usageError(describe(`${sentence} (${code})`, { todo }), { cause: error })
}
