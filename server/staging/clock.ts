/** The time, passed in so that tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Milliseconds since some moment: nobody can set this one, so it never leaps. */
  steady(): number
  /** Runs `task` every `periodMs` milliseconds until the returned function is called; keeps no process alive. */
  every(periodMs: number, task: () => void): () => void
}

/** Node's timers take no more, and run at once when given it: 24 days. */
const longestTimerMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: Date.now,
  steady: () => performance.now(),
  every(periodMs, task) {
    const timer = setInterval(task, Math.min(periodMs, longestTimerMs)).unref()
    return () => clearInterval(timer)
  }
}
