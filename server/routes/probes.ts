import type { FastifyPluginAsync } from 'fastify'
import { secondMs } from '../../shared/units.ts'
import type { Drain } from '../plugins/drain.ts'
import { StorageError } from '../storage/storage-driver.ts'
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

/** What does not work, and what an operator can do about it, where that is known. */
interface Failures {
  readonly failed: readonly string[]
  readonly todo: readonly string[]
}

/** However often it is asked, the store is tried at most this often. */
const rememberMs = 2 * secondMs

/** `/livez` and `/readyz`, for the kubelet and load balancers. */
export const probesRoute: FastifyPluginAsync<ProbesOptions> = async (app, { checks, drain, now }) => {
  let last: { readonly atMs: number; readonly failures: Promise<Failures> } | undefined

  app.get('/livez', { config: { contract: contracts.live } }, async () => ({ status: 'live' }))

  app.get('/readyz', { config: { contract: contracts.ready } }, async (request, reply) => {
    if (last === undefined || now() - last.atMs >= rememberMs)
      last = { atMs: now(), failures: failedChecks() }
    const { failed: broken, todo } = await last.failures
    const failed = [...broken, ...(drain.isStopping ? ['stopping'] : [])]
    if (failed.length === 0) return { status: 'ready' }
    request.log.warn({ failed }, 'not ready')
    return reply.code(503).send({ status: 'not ready', failed, ...(todo.length > 0 ? { todo } : {}) })
  })

  async function failedChecks(): Promise<Failures> {
    const failed: string[] = []
    const todo: string[] = []
    for (const [name, check] of Object.entries(checks)) {
      try {
        await check()
      } catch (error) {
        app.log.error({ err: error, check: name }, 'readiness check failed')
        failed.push(name)
        if (error instanceof StorageError && error.todo !== undefined) todo.push(error.todo)
      }
    }
    return { failed, todo }
  }
}
