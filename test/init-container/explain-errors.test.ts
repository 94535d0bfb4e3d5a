import t from 'tap'
import { explainNetworkError } from '../../init-container/explain-network-error.ts'
import { codeOf, explainDiskError, FetchError, TransientError } from '../../init-container/fetch-error.ts'

function errorOf(code: string): Error {
  return Object.assign(new Error('why'), { code })
}

t.test('what a network does may pass', async t => {
  const codes = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE', 'ETIMEDOUT', 'EPROTO']
  const undici = [
    'UND_ERR_BODY_TIMEOUT',
    'UND_ERR_HEADERS_TIMEOUT',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_SOCKET'
  ]
  for (const code of [...codes, ...undici, 'HPE_INVALID_CONSTANT', 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR']) {
    const error = explainNetworkError(errorOf(code), 'files/x', undefined)

    t.ok(error instanceof TransientError, code)
    t.match(error, {
      failure: { exit: 'gaveUp', subject: 'files/x', found: `${code} (why)` },
      retryAfterMs: 0
    })
  }
})

t.test('a certificate that does not hold stays as it is', async t => {
  for (const code of [
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'INVALID_PURPOSE',
    'ERR_SSL_WRONG_VERSION_NUMBER'
  ]) {
    const error = explainNetworkError(errorOf(code), 'files/x', '/ca.pem')

    t.ok(error instanceof FetchError, code)
    t.match(error, { failure: { exit: 'refused', expected: /ca\.pem/ } })
  }
})

t.test('a server that speaks no TLS is known by the message, when writing finds it out first', async t => {
  const error = Object.assign(new Error('write EPROTO 40:SSL routines:wrong version number'), {
    code: 'EPROTO'
  })

  t.match(explainNetworkError(error, 'files/x', undefined), { failure: { exit: 'refused' } })
})

t.test('what is none of them is not explained away', async t => {
  for (const fault of [errorOf('UND_ERR_INVALID_ARG'), new TypeError('a fault'), 'text', undefined]) {
    t.equal(explainNetworkError(fault, 'files/x', undefined), fault)
    t.equal(explainDiskError(fault, '/into'), fault)
  }
  t.equal(codeOf('text'), '')
})

t.test('an error of the disk names the path it has, or else the folder', async t => {
  const full = Object.assign(errorOf('ENOSPC'), { path: '/into/x' })

  t.match(explainDiskError(full, '/into'), { failure: { exit: 'noSpace', subject: '/into/x' } })
  t.match(explainDiskError(errorOf('EROFS'), '/into'), { failure: { exit: 'usage', subject: '/into' } })
})
