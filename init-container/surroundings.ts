import { statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** What a fetch needs of the machine that a test wants to decide itself. */
export interface Surroundings {
  /** Monotonic, milliseconds. */
  nowMs(): number
  /** Rejects with the signal's reason when it aborts. */
  sleep(waitMs: number, signal: AbortSignal): Promise<void>
  /** In `[0, 1)`. */
  random(): number
  /** Bytes that an unprivileged user may still write below this folder; `Infinity` when the file system does not tell. */
  freeBytes(folder: string): Promise<number>
}

/** The machine itself. */
export const realSurroundings: Surroundings = {
  nowMs: () => performance.now(),
  sleep: async (waitMs, signal) => {
    await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted())
  },
  random: Math.random,
  freeBytes: async folder => {
    const { blocks, bavail, bsize } = await statfs(folder)
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize
  }
}
