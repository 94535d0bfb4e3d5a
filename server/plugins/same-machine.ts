import type { FastifyRequest } from 'fastify'
import { quote, StagingError } from '../../shared/errors.ts'
import { isLoopback } from '../../shared/loopback.ts'

// With nobody asked for a credential, a web page in a browser must not be able to post code: it always sends its
// `Origin`, or comes under a host name of its own choice (DNS rebinding).

/** A guard for servers that ask for no credential. @throws StagingError `STAGE_ERR_FOREIGN_SITE` */
export async function refuseOrigin(request: FastifyRequest): Promise<void> {
  const { origin } = request.headers
  if (origin === undefined) return
  throw new StagingError('STAGE_ERR_FOREIGN_SITE', {
    expected: 'no Origin header',
    found: `Origin ${quote(origin)}`
  })
}

/**
 * One more for those of them that listen on loopback: the client must have asked for it by a loopback name.
 *
 * @throws StagingError `STAGE_ERR_FOREIGN_SITE`
 */
export async function refuseForeignHost(request: FastifyRequest): Promise<void> {
  const host = request.headers.host?.replace(/:\d*$/, '') ?? ''
  if (isLoopback(host)) return
  throw new StagingError('STAGE_ERR_FOREIGN_SITE', {
    expected: 'a loopback Host',
    found: `Host ${quote(host)}`
  })
}
