import { setTimeout as sleep } from 'node:timers/promises'

/** Asks until it is so. @throws Error naming `what` and the last error when that takes too long */
export async function waitUntil(what: string, limitMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + limitMs
  let last: unknown
  while (Date.now() < until) {
    try {
      if (await isSo()) return
    } catch (error) {
      last = error
    }
    await sleep(200)
  }
  const why = last instanceof Error ? `: ${last.message}` : ''
  throw new Error(`not so after ${limitMs / 1000} s: ${what}${why}`, { cause: last })
}
