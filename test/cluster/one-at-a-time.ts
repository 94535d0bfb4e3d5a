import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { namespaceName } from './paths.ts'
import { say } from './progress.ts'

/** Waits until nobody else on this machine starts or stops this cluster, then does `work`. */
export async function oneAtATime<T>(work: () => Promise<T>): Promise<T> {
  await using _ = await lock()
  return await work()
}

/** A socket without a file is gone with its process, however that ends. */
async function lock(): Promise<AsyncDisposable> {
  for (let attempt = 0; ; attempt += 1) {
    const server = createServer().listen(`\0${namespaceName}-lock`)
    try {
      await once(server, 'listening')
      return { [Symbol.asyncDispose]: async () => void server.close() }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
      if (attempt === 0) say('another run starts or stops this cluster: waiting for it')
      await sleep(1000)
    }
  }
}
