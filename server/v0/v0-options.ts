import type { RouteOptions } from '../routes/route-options.ts'

/** What the fork's routes are given. */
export interface V0Options extends RouteOptions {
  /** Where uploads may go; undefined means everywhere. */
  readonly namespaces: readonly string[] | undefined
  /** The server listens where only this machine reaches it. */
  readonly isLoopbackOnly: boolean
}
