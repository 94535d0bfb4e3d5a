import t from 'tap'
import { networkFailure } from '../../client/network-failure.ts'

const server = new URL('https://stage.example:10000')

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}

t.test('a network that fails may come back', async t => {
  t.match(networkFailure(failure('ECONNRESET', 'read ECONNRESET'), server), {
    name: 'RetryableError',
    message: 'no answer from https://stage.example:10000: read ECONNRESET'
  })
})

t.test('a failure of all addresses of a name has no message, so its code is shown', async t => {
  t.match(networkFailure(failure('ECONNREFUSED', ''), server), { message: /: ECONNREFUSED$/ })
})

t.test('a proxy is named without its password', async t => {
  const proxy = new URL('http://user:hunter2@proxy.example:3128')

  t.match(networkFailure(failure('ECONNREFUSED', ''), server, proxy), {
    message: 'no answer from https://stage.example:10000 through the proxy proxy.example:3128: ECONNREFUSED'
  })
})

t.test('a certificate that is not trusted stays so', async t => {
  const codes = [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'ERR_TLS_CERT_ALTNAME_INVALID'
  ]
  for (const code of codes) {
    t.match(networkFailure(failure(code, 'no trust'), server), { exitCause: 'usage', message: /--ca-file/ })
  }
})
