import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { backoffMs } from '../../shared/backoff.ts'
import { readIfThere, type StorageDriver, StorageError } from '../storage/storage-driver.ts'
import { usageKey } from './keys.ts'

/** What the committed bundles of a namespace hold. */
export interface Held {
  readonly bytes: number
  readonly bundlesCount: number
}

/**
 * Bytes that are counted on their own: reserved for a bundle until it is committed, or the trace of its removal until
 * its lease confirms it.
 */
export interface OpenAccount {
  readonly namespace: string
  readonly bytes: number
  /** Whose removal takes the bundle out; to be confirmed by its lease. */
  readonly takenBy?: string
  /** Whether the bundle counts in its namespace's sum until then. */
  readonly isHeld?: true
}

/** What is held and what may come, in all namespaces. */
export interface Ledger {
  /** By namespace. */
  readonly held: Readonly<Record<string, Held>>
  /** By account. All of a bundle's are closed when it ends, and somebody looks at that: it has its due marker. */
  readonly open: Readonly<Record<string, OpenAccount>>
}

/** The ledger as it was read at one moment. */
export interface LedgerState {
  /** Undefined when what is there is no ledger. */
  readonly ledger: Ledger | undefined
  /** Undefined when there is nothing. */
  readonly version: string | undefined
}

/** What one request wants counted for a bundle. */
export interface Account {
  /** `<bundle id>/<what for>`; the one that a lease names was used for one commit only. */
  readonly account: string
  readonly namespace: string
  readonly sizeBytes: number
}

/** What a namespace, or a whole store, holds and has reserved, in bytes. */
export interface UsedBytes {
  readonly heldBytes: number
  readonly reservedBytes: number
}

/** A change of the ledger; returning the same object changes nothing, throwing refuses. */
type Change = (ledger: Ledger) => Ledger

interface WaitingChange {
  readonly change: Change
  resolve(): void
  reject(error: unknown): void
}

const empty: Ledger = { held: {}, open: {} }

/** Nobody loses this many races in a row against servers that each have something to say. */
const maxSwapTries = 50

/** How long whoever lost a race waits at most, in ms: first about as long as a swap takes, then longer. */
const firstWaitMs = 50
const longestWaitMs = 250

/**
 * The ledger in the store, changed only by swapping what was read. Changes that are asked for while a swap is under way
 * go into the next one together, so that many uploads at once cost few writes.
 *
 * A bundle is reserved before its first byte, settled after its commit, taken out and closed when it has ended. Each
 * step counts once however often it is done, by whomever: accounts have names that are never used again.
 */
export class Usage {
  readonly #store: StorageDriver
  readonly #wait: (ms: number) => Promise<void>
  readonly #waiting: WaitingChange[] = []
  #isWorking = false

  /** @param wait resolves after so many milliseconds */
  constructor(store: StorageDriver, wait: (ms: number) => Promise<void> = setTimeout) {
    this.#store = store
    this.#wait = wait
  }

  /** The ledger as the store has it now. */
  async read(): Promise<Ledger> {
    return parse((await readIfThere(this.#store, usageKey))?.text)
  }

  /**
   * Opens an account with so many bytes, whatever it had before.
   *
   * @param check asked with the ledger without this bundle; refuses by throwing
   * @param instead an account of the same bundle that is closed by this
   */
  reserve(
    { account, namespace, sizeBytes }: Account,
    check: (others: Ledger) => void,
    instead = account
  ): Promise<void> {
    return this.#change(ledger => {
      check(without(ledger, isOf(bundleOf(account))))
      return withOpen(without(ledger, is(instead)), account, { namespace, bytes: sizeBytes })
    })
  }

  /** Counts what is open under the account of a commit in its namespace's sum, with what the bundle really has. */
  settle({ account, namespace, sizeBytes }: Account): Promise<void> {
    return this.#change(ledger => {
      const current = ledger.open[account]
      if (current === undefined || current.takenBy !== undefined) return ledger
      // Whatever other requests have reserved for this bundle was for nothing.
      return add(without(ledger, isOf(bundleOf(account))), namespace, sizeBytes, 1)
    })
  }

  /**
   * Leaves a trace that a bundle is taken out of what is counted, which {@link close} does.
   *
   * @returns a name for this removal, never used before; or that of one before it that was not closed yet
   */
  async takeOut({ account, namespace }: Account): Promise<string> {
    let takenBy = ''
    await this.#change(ledger => {
      const current = ledger.open[account]
      // Anew each time: a swap that seems to have failed may have left its trace, and another may have closed that since.
      takenBy = current?.takenBy ?? randomUUID()
      if (current?.takenBy !== undefined) return ledger
      // One that is open still was never settled, and counts as reserved.
      const trace: OpenAccount = current ?? { namespace, bytes: 0, isHeld: true }
      return withOpen(ledger, account, { ...trace, takenBy })
    })
    return takenBy
  }

  /**
   * Takes out of its namespace's sum what `taker`, confirmed by the lease, has left a trace of, and closes all accounts of
   * the bundle. Where another took it out once more, too late to know better, nothing is left to be counted off.
   */
  close({ account, namespace, sizeBytes }: Account, taker: string): Promise<void> {
    return this.#change(ledger => {
      const trace = ledger.open[account]
      const closed = without(ledger, isOf(bundleOf(account)))
      const isCounted = trace?.isHeld === true && trace.takenBy === taker
      return isCounted ? add(closed, namespace, -sizeBytes, -1) : closed
    })
  }

  /** Closes accounts that came to nothing: one, or all of a bundle that was never committed. */
  drop(accountOrBundle: string): Promise<void> {
    return this.#change(ledger =>
      without(ledger, name => name === accountOrBundle || bundleOf(name) === accountOrBundle)
    )
  }

  /** The ledger for whoever may have to set it right, readable or not. @throws StorageError when the store fails */
  async examine(): Promise<LedgerState> {
    const current = await readIfThere(this.#store, usageKey)
    return { ledger: parseIfReadable(current?.text), version: current?.version }
  }

  /**
   * Puts what was found by looking at every bundle in the place of what was counted.
   *
   * @param seen what was examined before the first bundle was looked at
   * @returns false when it has changed since: a server is at work, and what was found is no longer true
   */
  correct(found: Ledger, seen: LedgerState): Promise<boolean> {
    const text = textOf(found)
    return seen.version === undefined
      ? this.#store.create(usageKey, text)
      : this.#store.replace(usageKey, text, seen.version)
  }

  #change(change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject })
      if (!this.#isWorking) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    while (this.#waiting.length > 0) {
      const batch: WaitingChange[] = []
      try {
        const refusals = await this.#swap(batch)
        for (const [index, { resolve, reject }] of batch.entries()) {
          if (refusals.has(index)) reject(refusals.get(index))
          else resolve()
        }
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#isWorking = false
  }

  /**
   * Makes all changes that wait, and those that come while others are faster.
   *
   * @param batch takes up the changes that this is about
   * @returns what the changes that refused have thrown, by their place in the batch
   */
  async #swap(batch: WaitingChange[]): Promise<ReadonlyMap<number, unknown>> {
    for (let tries = 0; tries < maxSwapTries; tries += 1) {
      if (tries > 0) await this.#wait(backoffMs(tries, firstWaitMs, longestWaitMs))
      batch.push(...this.#waiting.splice(0))
      const current = await readIfThere(this.#store, usageKey)
      const before = parse(current?.text)
      const { ledger, refusals } = applyAll(before, batch)
      if (ledger === before) return refusals
      const text = textOf(ledger)
      const isSwapped =
        current === undefined
          ? await this.#store.create(usageKey, text)
          : await this.#store.replace(usageKey, text, current.version)
      if (isSwapped) return refusals
    }
    throw new StorageError('broken', `usage changed ${maxSwapTries} times while it was swapped`)
  }
}

/** No text comes twice: a swap that a slow network still holds can never fit again. */
function textOf(ledger: Ledger): string {
  return JSON.stringify({ ...ledger, swappedAs: randomUUID() })
}

/** @throws StorageError when it is no ledger; what is wrong then is for `verify` to mend */
function parse(text: string | undefined): Ledger {
  const ledger = parseIfReadable(text)
  if (ledger !== undefined) return ledger
  const how = 'stop the server and let `spark-stage-server verify` set it right'
  throw new StorageError('broken', `${usageKey} cannot be read; ${how}`)
}

/** @returns undefined when it is no ledger */
function parseIfReadable(text: string | undefined): Ledger | undefined {
  if (text === undefined) return empty
  try {
    // A boundary: only this class writes this object; what is no ledger at all is found out here.
    const { held, open } = JSON.parse(text) as Ledger
    return typeof held === 'object' && typeof open === 'object' ? { held, open } : undefined
  } catch {
    return undefined
  }
}

/** What all namespaces use, or one. */
export function usedBytes({ held, open }: Ledger, namespace?: string): UsedBytes {
  const isMeant = (name: string) => namespace === undefined || name === namespace
  const sum = (bytes: readonly number[]) => bytes.reduce((total, one) => total + one, 0)
  return {
    heldBytes: sum(Object.entries(held).map(([name, { bytes }]) => (isMeant(name) ? bytes : 0))),
    reservedBytes: sum(Object.values(open).map(({ namespace: name, bytes }) => (isMeant(name) ? bytes : 0)))
  }
}

function applyAll(ledger: Ledger, changes: readonly WaitingChange[]) {
  const refusals = new Map<number, unknown>()
  let changed = ledger
  for (const [index, { change }] of changes.entries()) {
    try {
      changed = change(changed)
    } catch (error) {
      refusals.set(index, error)
    }
  }
  return { ledger: changed, refusals }
}

/** The id of the bundle that an account is about. */
export function bundleOf(account: string): string {
  return account.slice(0, account.indexOf('/'))
}

const is = (account: string) => (name: string) => name === account
const isOf = (bundleId: string) => (name: string) => bundleOf(name) === bundleId

function without(ledger: Ledger, isMeant: (account: string) => boolean): Ledger {
  const kept = Object.entries(ledger.open).filter(([account]) => !isMeant(account))
  const isSame = kept.length === Object.keys(ledger.open).length
  return isSame ? ledger : { ...ledger, open: Object.fromEntries(kept) }
}

function withOpen(ledger: Ledger, account: string, open: OpenAccount): Ledger {
  return { ...ledger, open: { ...ledger.open, [account]: open } }
}

function add(ledger: Ledger, namespace: string, bytes: number, bundlesCount: number): Ledger {
  return { ...ledger, held: addHeld(ledger.held, namespace, bytes, bundlesCount) }
}

/** The sums with more, or less, in one namespace. */
export function addHeld(
  held: Ledger['held'],
  namespace: string,
  bytes: number,
  bundlesCount: number
): Ledger['held'] {
  // A namespace may be called as something that every object has.
  const before = Object.hasOwn(held, namespace) ? held[namespace] : undefined
  const after = {
    bytes: (before?.bytes ?? 0) + bytes,
    bundlesCount: (before?.bundlesCount ?? 0) + bundlesCount
  }
  const { [namespace]: _before, ...others } = held
  return after.bytes === 0 && after.bundlesCount === 0 ? others : { ...others, [namespace]: after }
}
