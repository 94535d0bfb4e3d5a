import type { FastifyRequest } from 'fastify'
import { StagingError } from '../../shared/errors.ts'
import { isLoopback } from '../../shared/loopback.ts'

/**
 * With nobody asked for a credential, a web page in a browser on this machine must not be able to post code: it always
 * sends its `Origin`, or comes under a host name of its own choice (DNS rebinding).
 *
 * @throws StagingError `STAGE_ERR_FOREIGN_SITE`
 */
export async function requireSameMachine(request: FastifyRequest): Promise<void> {
  const { origin } = request.headers
  const host = request.headers.host?.replace(/:\d*$/, '') ?? ''
  if (origin === undefined && isLoopback(host)) return
  throw new StagingError('STAGE_ERR_FOREIGN_SITE', {
    expected: 'a loopback Host and no Origin',
    found: `Host ${host || '(none)'}${origin === undefined ? '' : ` and Origin ${origin}`}`
  })
}
