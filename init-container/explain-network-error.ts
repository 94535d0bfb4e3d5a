import { codeOf, FetchError, TransientError } from './fetch-error.ts'

/** Node's and OpenSSL's names for a certificate that does not hold, and for a server that speaks no TLS. */
const untrusted = /CERT|CRL|SIGNATURE|INVALID_(CA|PURPOSE)|PATH_LENGTH|HOSTNAME|wrong.version.number/i

/** undici's errors (but the one for a wrong call), its parser's, and the other ways a TLS handshake breaks. */
const othersPassing = /^(UND_ERR_(?!INVALID_ARG)|HPE_|ERR_SSL_|EPROTO$)/

/** What a network does that may be better the next time. */
const passing: readonly string[] = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EAI_FAIL'
]

/**
 * The failure behind an error of an attempt: a TransientError for the network's, a FetchError `refused` for a server
 * whose certificate is not trusted, because no waiting changes that. Any other error is returned as it is.
 */
export function explainNetworkError(error: unknown, subject: string, caFile: string | undefined): unknown {
  if (!(error instanceof Error)) return error
  const code = codeOf(error)
  const found = `${code} (${error.message})`
  if (untrusted.test(code) || (code === 'EPROTO' && untrusted.test(error.message))) {
    const authorities = caFile === undefined ? "Node's own authorities" : `the authorities in ${caFile}`
    const expected = `a TLS server that ${authorities} vouch for`
    return new FetchError({ exit: 'refused', subject, expected, found }, error)
  }
  if (!passing.includes(code) && !othersPassing.test(code)) return error
  return new TransientError(
    { exit: 'gaveUp', subject, expected: 'the whole answer of the server', found },
    0,
    error
  )
}
