import { StagingError } from '../../shared/errors.ts'
import { type ByteRange, type OpenBytes, StorageError } from '../storage/storage-driver.ts'
import { currentManifest } from './current-manifest.ts'
import { nextLooksMs, removeEnded } from './ending.ts'
import { dataKey, dueKey, indexFolder } from './keys.ts'
import {
  type CommittedLease,
  ended,
  gone,
  isCommitted,
  isEnded,
  isHalfSpent,
  type Lease,
  refuseGone,
  renewed
} from './lease.ts'
import type { StoredEntry, StoredManifest } from './manifests.ts'
import { Ownership } from './ownership.ts'
import type { StagingContext } from './staging-context.ts'

/** A bundle in a list. */
export interface ListedBundle {
  readonly bundleId: string
  readonly lease: Lease
}

/** A page of a list. */
export interface BundlePage {
  readonly bundles: readonly ListedBundle[]
  /** The id to go on after, when there may be more. */
  readonly next?: string
}

/** An entry, and the manifest that it was found in. */
export interface FoundEntry extends StoredEntry {
  readonly in: StoredManifest
}

/** Bundles once they are staged: read, renewed, listed, ended. */
export class Bundles {
  readonly #context: StagingContext
  readonly #ownership: Ownership

  constructor(context: StagingContext) {
    this.#context = context
    this.#ownership = new Ownership(context)
  }

  /**
   * The manifest, for someone with a valid download token. Keeps the bundle for another full lease when less than half
   * of one is left, so that a thousand executors cause one write.
   *
   * @throws StagingError `STAGE_ERR_GONE`
   */
  async read(namespace: string, bundleId: string): Promise<StoredManifest> {
    const { leases, clock } = this.#context
    const lease = await leases.find(bundleId)
    if (lease?.namespace !== namespace) throw gone(bundleId, 'removed')
    const isKept = await this.#isKept(lease, bundleId)
    refuseGone(lease, bundleId, clock.now(), isKept)
    if (!isCommitted(lease)) throw gone(bundleId, 'never committed')
    // A lease that is over and kept is its owner's to renew.
    if (!isKept && this.#isWorthRenewal(lease)) await this.#keep(bundleId)
    return currentManifest(this.#context, bundleId, lease)
  }

  /**
   * One entry of a bundle, for someone with a valid download token.
   *
   * @param path `<kind>/<name>`
   * @throws StagingError `STAGE_ERR_GONE`; `STAGE_ERR_NOT_FOUND` when the bundle has no such entry
   */
  async findEntry(namespace: string, bundleId: string, path: string): Promise<FoundEntry> {
    const manifest = await this.read(namespace, bundleId)
    const entry = manifest.entries.find(candidate => candidate.path === path)
    if (entry === undefined) throw new StagingError('STAGE_ERR_NOT_FOUND', { subject: path })
    return { ...entry, in: manifest }
  }

  /**
   * The bytes of an entry that was found; who calls it closes them.
   *
   * @throws StagingError `STAGE_ERR_GONE` when the bundle has ended since
   */
  async open(entry: FoundEntry, range: ByteRange): Promise<OpenBytes> {
    try {
      return await this.#context.store.open(dataKey(entry.in, entry.data), range)
    } catch (error) {
      await this.read(entry.in.namespace, entry.in.bundleId)
      throw error
    }
  }

  /**
   * A URL under which whoever has it can read the bytes of an entry that was found, for so many seconds, straight from
   * the store: a secret.
   *
   * @returns undefined when the store cannot be reached by others
   */
  async presign({ data, in: attempt }: FoundEntry, seconds: number): Promise<string | undefined> {
    return this.#context.store.presign?.(dataKey(attempt, data), seconds, 'application/octet-stream')
  }

  /**
   * The lease of a committed bundle, for its uploaders.
   *
   * @throws StagingError `STAGE_ERR_NOT_FOUND`, `STAGE_ERR_GONE`, `STAGE_ERR_NOT_COMMITTED`
   */
  async get(namespace: string, bundleId: string): Promise<CommittedLease> {
    const lease = await this.#context.leases.get(namespace, bundleId)
    return this.#mustBeCommitted(lease, bundleId, await this.#isKept(lease, bundleId))
  }

  /** Gives a committed bundle another full lease, at most until its last token ends. @throws as {@link get} */
  async renew(namespace: string, bundleId: string): Promise<CommittedLease> {
    const { leases, clock, times } = this.#context
    const isKept = await this.#isKept(await this.get(namespace, bundleId), bundleId)
    return leases.swap(bundleId, lease =>
      renewed(this.#mustBeCommitted(lease, bundleId, isKept), times, clock.now())
    )
  }

  /**
   * Ends a bundle or a draft now. Its lease says so from then on; its bytes are removed before this resolves.
   *
   * @throws StagingError `STAGE_ERR_NOT_FOUND`
   */
  async revoke(namespace: string, bundleId: string): Promise<void> {
    const { store, leases, clock, times } = this.#context
    await leases.get(namespace, bundleId)
    // Should this die after the swap, the next sweep goes on with it.
    const marker = dueKey(clock.now(), bundleId)
    await store.create(marker, '')
    const lease = await leases.swap(bundleId, current =>
      isEnded(current) ? current : ended(current, 'revoked', clock.now())
    )
    await removeEnded(this.#context, bundleId, lease)
    // In its last hour a bundle's next look may be in this one.
    const nextMarkers = nextLooksMs(lease, times).map(atMs => dueKey(atMs, bundleId))
    if (!nextMarkers.includes(marker)) await store.delete([marker])
  }

  /** The bundles of a namespace after the id `after`, at most `limit`, by id; drafts and expired ones as well. */
  async list(namespace: string, after: string, limit: number): Promise<BundlePage> {
    const bundleIds = await this.#context.store.list(indexFolder(namespace), after, limit)
    const bundles: ListedBundle[] = []
    for (const bundleId of bundleIds) {
      const lease = await this.#context.leases.find(bundleId)
      if (lease !== undefined) bundles.push({ bundleId, lease })
    }
    const next = bundleIds.length === limit ? bundleIds.at(-1) : undefined
    return next === undefined ? { bundles } : { bundles, next }
  }

  /** Keeps what is being read: one write for all who read it at once. */
  async #keep(bundleId: string): Promise<void> {
    const { leases, clock } = this.#context
    try {
      await leases.swap(bundleId, lease =>
        isCommitted(lease) && this.#isWorthRenewal(lease)
          ? renewed(lease, this.#ownership.timesOf(lease), clock.now())
          : lease
      )
    } catch (error) {
      // A store that takes no writes, being full perhaps, can still be read.
      if (!(error instanceof StorageError)) throw error
    }
  }

  #isWorthRenewal(lease: CommittedLease): boolean {
    const nowMs = this.#context.clock.now()
    const { leaseMs } = this.#ownership.timesOf(lease)
    return isHalfSpent(lease, Math.min(leaseMs, lease.tokenExpiresAtMs - nowMs), nowMs)
  }

  /** Whether a bundle is served although its time is over; its owner is asked for only then. */
  async #isKept(lease: Lease, bundleId: string): Promise<boolean> {
    const { clock } = this.#context
    if (lease.expiresAtMs > clock.now() || isEnded(lease)) return false
    const state = await this.#ownership.stateOf(bundleId, lease)
    return this.#ownership.isKept(lease, state, clock.now())
  }

  #mustBeCommitted(lease: Lease, bundleId: string, isKept: boolean): CommittedLease {
    refuseGone(lease, bundleId, this.#context.clock.now(), isKept)
    if (isCommitted(lease)) return lease
    throw new StagingError('STAGE_ERR_NOT_COMMITTED', { subject: bundleId })
  }
}
