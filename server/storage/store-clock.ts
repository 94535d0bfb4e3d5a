import { secondMs } from '../../shared/units.ts'

/** How far a store's clock is ahead of this process's, as its answers tell by their `Date` header. */
export class StoreClock {
  #aheadMs = 0

  /** Milliseconds; negative when it is behind. */
  get aheadMs(): number {
    return this.#aheadMs
  }

  /**
   * Learns from an answer. It was dated, to the second, somewhere between the moment its request was sent and the moment
   * it came; what was known stays as it is, unless that cannot be.
   *
   * @param response what the SDK calls a response; anything without a readable `Date` tells nothing
   * @param sentMs by this process's clock, as is `receivedMs`
   */
  learn(response: unknown, sentMs: number, receivedMs: number): void {
    // A boundary: the SDK leaves the type of a response open.
    const { headers } = response as { readonly headers?: Readonly<Record<string, string>> }
    const dateMs = Date.parse(headers?.['date'] ?? '')
    if (Number.isNaN(dateMs)) return
    const leastMs = dateMs - receivedMs
    const mostMs = dateMs + secondMs - sentMs
    this.#aheadMs = Math.min(Math.max(this.#aheadMs, leastMs), mostMs)
  }
}
