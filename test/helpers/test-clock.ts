import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../server/staging/clock.ts'

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  #nowMs: number
  #steadyMs = 0
  readonly #tasks = new Set<{ readonly periodMs: number; readonly task: () => void; nextMs: number }>()

  constructor(startMs = Date.now()) {
    this.#nowMs = startMs
  }

  now = (): number => this.#nowMs
  steady = (): number => this.#steadyMs
  /** Nobody has to wait here; whatever else is ready comes first. */
  wait = (): Promise<void> => setImmediate()

  every(periodMs: number, task: () => void): () => void {
    const entry = { periodMs, task, nextMs: this.#nowMs + periodMs }
    this.#tasks.add(entry)
    return () => this.#tasks.delete(entry)
  }

  /** Somebody sets the time: no time has passed. */
  leap(ms: number): void {
    this.#nowMs += ms
  }

  /** How many periodic tasks are running. */
  get taskCount(): number {
    return this.#tasks.size
  }

  /** Moves the time on by `ms` milliseconds, running what falls due on the way. */
  advance(ms: number): void {
    this.#nowMs += ms
    this.#steadyMs += ms
    for (const entry of this.#tasks) {
      for (; entry.nextMs <= this.#nowMs; entry.nextMs += entry.periodMs) entry.task()
    }
  }
}
