import { isDeepStrictEqual } from 'node:util'
import type { Lease } from '../lease.ts'
import { addHeld, bundleOf, type Held, type Ledger, type LedgerState, type OpenAccount } from '../usage.ts'

/** What the ledger says, and what it would have to say. */
export interface LedgerVerdict {
  /** As it was before the first bundle was looked at. */
  readonly seen: LedgerState
  /** Undefined when leases are damaged: nobody knows what their bundles are counted with. */
  readonly found: Ledger | undefined
}

/** Whether the ledger has to be set right, and can be. */
export function isWrong({ seen, found }: LedgerVerdict): boolean {
  return found !== undefined && !isDeepStrictEqual(seen.ledger, found)
}

/**
 * Works out from all leases what the ledger has to say. What is reserved for a draft is taken as it is: only the server
 * that took the request knew how much it would become.
 */
export class LedgerCheck {
  readonly #seen: LedgerState
  /** The open accounts of the ledger, by bundle. */
  readonly #openOf: ReadonlyMap<string, readonly (readonly [string, OpenAccount])[]>
  readonly #open: (readonly [string, OpenAccount])[] = []
  #held: Readonly<Record<string, Held>> = {}
  #isCertain = true

  /** @param seen what was there before the first bundle is counted */
  constructor(seen: LedgerState) {
    this.#seen = seen
    this.#openOf = Map.groupBy(Object.entries(seen.ledger?.open ?? {}), ([account]) => bundleOf(account))
  }

  /** Counts a bundle. @param lease undefined when it cannot be read */
  count(bundleId: string, lease: Lease | undefined): void {
    if (lease === undefined) {
      this.#isCertain = false
      return
    }
    const { account, namespace, sizeBytes } = lease
    // What never came to a commit counts no more once it has ended.
    if (lease.state === 'ended' && account === undefined) return
    const own = (this.#openOf.get(bundleId) ?? []).filter(
      ([name]) => account === undefined || name === account
    )
    this.#open.push(...own)
    if (account === undefined || sizeBytes === undefined) return
    if (isHeld(lease, own[0]?.[1])) this.#held = addHeld(this.#held, namespace, sizeBytes, 1)
  }

  verdict(): LedgerVerdict {
    const found = { held: this.#held, open: Object.fromEntries(this.#open) }
    return { seen: this.#seen, found: this.#isCertain ? found : undefined }
  }
}

/** Whether a bundle counts in the sum: from its settling on, and until the removal is closed that its lease confirms. */
function isHeld({ releasedBy }: Lease, open: OpenAccount | undefined): boolean {
  if (open !== undefined && open.isHeld === undefined) return false
  return releasedBy === undefined || open?.takenBy === releasedBy
}
