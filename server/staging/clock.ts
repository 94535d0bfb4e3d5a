/** The time, passed in so that tests can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Runs `task` every `periodMs` milliseconds until the returned function is called; keeps no process alive. */
  every(periodMs: number, task: () => void): () => void
}

export const systemClock: Clock = {
  now: Date.now,
  every(periodMs, task) {
    const timer = setInterval(task, periodMs).unref()
    return () => clearInterval(timer)
  }
}
