import type { FastifyInstance, FastifyRequest, RouteHandlerMethod } from 'fastify'
import { StagingError } from '../../shared/errors.ts'

/** Knows how many requests are under way, and lets a stopping server wait for them. */
export class Drain {
  #isStopping = false
  #activeCount = 0
  #onIdle: () => void = () => {}

  /** Whether the server takes no new uploads any more. */
  get isStopping(): boolean {
    return this.#isStopping
  }

  /**
   * Counts every request of `app` from its headers to the last byte of its answer, and every handler until it is through:
   * when a client leaves, its upload has yet to be taken away. Must come before the routes.
   */
  register(app: FastifyInstance): void {
    app.addHook('onRequest', async (_request, reply) => {
      this.#activeCount += 1
      reply.raw.once('close', () => this.#leave())
    })
    app.addHook('onRoute', route => {
      route.handler = this.#counted(route.handler)
    })
  }

  /** A guard for routes that take bytes. @throws StagingError `STAGE_ERR_STOPPING` */
  refuseWhenStopping = async (_request: FastifyRequest): Promise<void> => {
    if (this.#isStopping) throw new StagingError('STAGE_ERR_STOPPING', { retryAfterSeconds: 5 })
  }

  /** Takes no new uploads from now on; resolves when nothing is under way, or after `boundMs`. */
  async stop(boundMs: number): Promise<void> {
    this.#isStopping = true
    await this.idle(boundMs)
  }

  /** Resolves when nothing is under way, or after `boundMs`. */
  async idle(boundMs: number): Promise<void> {
    if (this.#activeCount === 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, boundMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #counted(handler: RouteHandlerMethod): RouteHandlerMethod {
    const drain = this
    return async function (request, reply) {
      drain.#activeCount += 1
      try {
        return await handler.call(this, request, reply)
      } finally {
        drain.#leave()
      }
    }
  }

  #leave(): void {
    this.#activeCount -= 1
    if (this.#activeCount === 0) this.#onIdle()
  }
}
