import type { FastifyPluginAsync } from 'fastify'
import { secondMs } from '../../shared/units.ts'
import type { Drain } from '../plugins/drain.ts'
import { contracts } from './contracts.ts'

/** What has to work for the server to be ready. Each resolves, or throws why not. */
export interface ReadyChecks {
  readonly storeWritable: () => Promise<void>
  readonly keyPresent: () => Promise<void>
}

export interface ProbesOptions {
  readonly checks: ReadyChecks
  readonly drain: Drain
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** However often it is asked, the store is tried at most this often. */
const rememberMs = 2 * secondMs

/** `/livez` and `/readyz`, for the kubelet and load balancers. */
export const probesRoute: FastifyPluginAsync<ProbesOptions> = async (app, { checks, drain, now }) => {
  let last: { readonly atMs: number; readonly failed: Promise<readonly string[]> } | undefined

  app.get('/livez', { config: { contract: contracts.live } }, async () => ({ status: 'live' }))

  app.get('/readyz', { config: { contract: contracts.ready } }, async (request, reply) => {
    if (last === undefined || now() - last.atMs >= rememberMs) last = { atMs: now(), failed: failedChecks() }
    const failed = [...(await last.failed), ...(drain.isStopping ? ['stopping'] : [])]
    if (failed.length === 0) return { status: 'ready' }
    request.log.warn({ failed }, 'not ready')
    return reply.code(503).send({ status: 'not ready', failed })
  })

  async function failedChecks(): Promise<readonly string[]> {
    const failed: string[] = []
    for (const [name, check] of Object.entries(checks)) {
      try {
        await check()
      } catch (error) {
        app.log.error({ err: error, check: name }, 'readiness check failed')
        failed.push(name)
      }
    }
    return failed
  }
}
