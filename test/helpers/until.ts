import { setImmediate } from 'node:timers/promises'

/** Resolves once `claim` holds; it is asked again whenever the event loop has turned. @throws Error after five seconds */
export async function until(claim: () => boolean | Promise<boolean>): Promise<void> {
  const startMs = Date.now()
  while (!(await claim())) {
    if (Date.now() - startMs > 5000) throw new Error(`never came true: ${claim}`)
    await setImmediate()
  }
}
