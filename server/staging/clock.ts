import { setTimeout } from 'node:timers/promises'
import type { StorageDriver } from '../storage/storage-driver.ts'

/** The time, passed in so that tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds since some moment: nobody can set this one, so it never leaps. */
  steady(): number
  /** Runs `task` every `periodMs` milliseconds until the returned function is called; keeps no process alive. */
  every(periodMs: number, task: () => void): () => void
  /** Resolves after `ms` milliseconds. */
  wait(ms: number): Promise<void>
  /**
   * How many milliseconds this process's own clock is away from the one that `now` follows, if that is another's; as far
   * as the last answer of the other told.
   */
  asideMs?(): number
}

/** Node's timers take no more, and run at once when given it: 24 days. */
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: Date.now,
  steady: () => performance.now(),
  every(periodMs, task) {
    const timer = setInterval(task, Math.min(periodMs, longestTimerMs)).unref()
    return () => clearInterval(timer)
  },
  wait: ms => setTimeout(ms)
}

/** The clock of a store that has one, so that all servers on it have the same time; else this machine's. */
export function clockOf(store: StorageDriver): Clock {
  const { clockAheadMs } = store
  if (clockAheadMs === undefined) return systemClock
  const aheadMs = () => clockAheadMs.call(store)
  return { ...systemClock, now: () => Date.now() + aheadMs(), asideMs: () => Math.abs(aheadMs()) }
}
