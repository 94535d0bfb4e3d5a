import { randomInt } from 'node:crypto'

/** Chance that can be had again: the same seed gives the same row of numbers (mulberry32). */
export class Random {
  readonly seed: number
  #state: number

  constructor(seed = randomInt(2 ** 32)) {
    this.seed = seed
    this.#state = seed
  }

  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  /** One of them; undefined when there is none. */
  pick<T>(all: readonly T[]): T | undefined {
    return all[this.below(all.length)]
  }
}
