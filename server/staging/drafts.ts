import { createHash, randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import pMap from 'p-map'
import { StagingError } from '../../shared/errors.ts'
import type { StoredBytes } from '../storage/storage-driver.ts'
import { reserve, settle } from './accounts.ts'
import { bundleIdFor } from './bundle-id.ts'
import { currentManifest } from './current-manifest.ts'
import { dataBytes, lackingData } from './data-objects.ts'
import { checkFreeSpace, putBytes } from './disk-space.ts'
import { beginDraft, discardDraft } from './draft-steps.ts'
import { dataKey, draftAccount, indexKey } from './keys.ts'
import { type AnnouncedEntry, layOut } from './lay-out.ts'
import {
  type CommittedLease,
  committed,
  isCommitted,
  isHalfSpent,
  type Lease,
  refuseGone,
  uploadRunning
} from './lease.ts'
import { checkEntriesCount, checkUploadBytes } from './limits.ts'
import { numberData, type StoredEntry, type StoredManifest } from './manifests.ts'
import type { StagingContext, Uploader } from './staging-context.ts'

/** A declared draft has one attempt: declared again, it is the same entries. */
const attempt = 0

/** How many claims by digest are under way at once for one draft. */
const parallelClaimsCount = 8

/** What a draft still lacks: digests in the order of its entries. */
export interface DeclaredDraft {
  readonly bundleId: string
  readonly missing: readonly string[]
}

/**
 * Bundles whose entries are announced first: declare, send what is missing, commit. In the store: due marker, lease,
 * manifest, index, data, and the swap of the lease that is the commit.
 */
export class Drafts {
  readonly #context: StagingContext

  constructor(context: StagingContext) {
    this.#context = context
  }

  /**
   * Declares a draft, and gives it all bytes that the namespace has already. With the same key and the same entries it
   * is the same draft.
   *
   * @throws StagingError for bad entries as {@link layOut}; `STAGE_ERR_TOO_LARGE`, `STAGE_ERR_TOO_MANY_ENTRIES`,
   *   `STAGE_ERR_KEY_REUSED`, `STAGE_ERR_GONE`
   */
  async declare(
    uploader: Uploader,
    idempotencyKey: string | undefined,
    announced: readonly AnnouncedEntry[]
  ): Promise<DeclaredDraft> {
    const { limits, manifests, store, leases, usage } = this.#context
    checkEntriesCount(announced.length, limits)
    const entries = numberData(layOut(announced))
    checkUploadBytes(dataBytes(entries), limits, entries)
    const bundleId = bundleIdFor(uploader.namespace, uploader.principal, idempotencyKey)
    const lease = this.#newLease(uploader, entries)

    const takeUp = (current: Lease) => this.#takeUp(current, lease, bundleId)
    const begun = await beginDraft(this.#context, bundleId, lease, takeUp)
    if (begun.lease.state === 'committed') return { bundleId, missing: [] }
    try {
      const createdAt = new Date(lease.createdAtMs).toISOString()
      const { namespace } = uploader
      const account = draftAccount(bundleId)
      await reserve(this.#context, { account, namespace, sizeBytes: dataBytes(entries) }, entries)
      // Another request with this key may have come as far as the commit, which counts under another account.
      if ((await leases.find(bundleId))?.state === 'committed') await usage.drop(account)
      await manifests.create({ bundleId, attempt, namespace, createdAt, entries })
      await store.create(indexKey(namespace, bundleId), '')
      const manifest = await currentManifest(this.#context, bundleId, begun.lease)
      return { bundleId, missing: await this.#claimAll(uploader, manifest) }
    } catch (error) {
      // With a key the draft waits for the request to be repeated, until its lease ends.
      if (idempotencyKey === undefined) await this.#discard(bundleId, error)
      throw error
    }
  }

  /**
   * Takes the bytes of one digest of a draft. The draft stays as long as they arrive.
   *
   * @param announcedBytes the request's `Content-Length`, if it had one
   * @throws StagingError `STAGE_ERR_UNKNOWN_BLOB`, `STAGE_ERR_SIZE`, `STAGE_ERR_DIGEST`, `STAGE_ERR_COMMITTED`,
   *   `STAGE_ERR_GONE`, `STAGE_ERR_NOT_FOUND`
   */
  async putBlob(
    namespace: string,
    bundleId: string,
    sha256: string,
    source: Readable,
    announcedBytes: number | undefined,
    signal: AbortSignal
  ): Promise<StoredBytes> {
    const { store, hints, leases, clock } = this.#context
    const manifest = await this.#manifestOf(await leases.get(namespace, bundleId), bundleId)
    const entry = manifest.entries.find(candidate => candidate.sha256 === sha256)
    if (entry === undefined) throw new StagingError('STAGE_ERR_UNKNOWN_BLOB', { subject: sha256 })
    const { sizeBytes, data } = entry
    if (announcedBytes !== undefined && announcedBytes !== sizeBytes) {
      const details = { expected: `${sizeBytes} bytes`, found: `${announcedBytes} bytes` }
      throw new StagingError('STAGE_ERR_SIZE', { subject: sha256, ...details })
    }
    await this.#pushOn(bundleId)
    // Should one of these fail, the draft's end is noticed after the last byte.
    const stop = clock.every(this.#context.times.draftLeaseMs / 4, () =>
      this.#pushOn(bundleId).catch(() => {})
    )
    try {
      const key = dataKey(manifest, data)
      const expected = { limitBytes: sizeBytes, sizeBytes, sha256 }
      await checkFreeSpace(store, sizeBytes, manifest.entries)
      const stored = await putBytes(store, key, source, expected, signal, manifest.entries)
      const lease = await leases.get(namespace, bundleId)
      if (lease.state === 'ended') await store.delete([key])
      refuseGone(lease, bundleId, clock.now())
      await hints.remember(namespace, manifest, sha256)
      return stored
    } finally {
      stop()
    }
  }

  /**
   * Makes the draft a bundle, if all its bytes are there. Repeating it is harmless.
   *
   * @throws StagingError `STAGE_ERR_INCOMPLETE`, `STAGE_ERR_GONE`, `STAGE_ERR_NOT_FOUND`, `STAGE_ERR_UPLOAD_RUNNING`
   */
  async commit(namespace: string, bundleId: string): Promise<CommittedLease> {
    const { store, leases, clock, times, usage } = this.#context
    const lease = await leases.get(namespace, bundleId)
    refuseGone(lease, bundleId, clock.now())
    if (isCommitted(lease)) {
      // The commit may have been cut short, or its outcome not known.
      await settle(this.#context, lease)
      return lease
    }
    const manifest = await this.#manifestOf(lease, bundleId)
    const missing = await lackingData(store, manifest)
    if (missing.length > 0) {
      throw new StagingError('STAGE_ERR_INCOMPLETE', { missing: missing.map(({ sha256 }) => sha256) })
    }
    const counted = { account: `${bundleId}/${randomUUID()}`, sizeBytes: dataBytes(manifest.entries) }
    await reserve(this.#context, { ...counted, namespace }, manifest.entries, draftAccount(bundleId))
    const result = await leases.swap(bundleId, current => {
      refuseGone(current, bundleId, clock.now())
      return isCommitted(current) ? current : committed(current, counted, times, clock.now())
    })
    if (result.account === counted.account) await settle(this.#context, result)
    else await usage.drop(counted.account)
    return result
  }

  #newLease(uploader: Uploader, entries: readonly StoredEntry[]): Lease {
    const { clock, times } = this.#context
    return {
      ...uploader,
      state: 'draft',
      attempt,
      createdAtMs: clock.now(),
      expiresAtMs: clock.now() + times.draftLeaseMs,
      declaredSha256: createHash('sha256').update(JSON.stringify(entries)).digest('hex')
    }
  }

  /** What a lease becomes when its draft is declared once more, as `declared` says. */
  #takeUp(current: Lease, declared: Lease, bundleId: string): Lease {
    if (current.state !== 'draft') refuseGone(current, bundleId, this.#context.clock.now())
    if (current.declaredSha256 !== declared.declaredSha256) throw new StagingError('STAGE_ERR_KEY_REUSED')
    return current.state === 'draft' ? { ...current, expiresAtMs: declared.expiresAtMs } : current
  }

  /** What cannot be discarded is swept; the first error is the one to tell. */
  async #discard(bundleId: string, failure: unknown): Promise<void> {
    await discardDraft(this.#context, bundleId, failure).catch(() => {})
  }

  async #claimAll(uploader: Uploader, manifest: StoredManifest): Promise<readonly string[]> {
    const { store, hints } = this.#context
    const claim = async (entry: StoredEntry) =>
      (await hints.claim(uploader.namespace, manifest, entry)) ? [] : [entry.sha256]
    const lacking = await lackingData(store, manifest)
    try {
      // All of them end before the first failure is reported: what undoes the draft must not be overtaken by a claim.
      return (await pMap(lacking, claim, { concurrency: parallelClaimsCount, stopOnError: false })).flat()
    } catch (error) {
      // A boundary: without stopOnError, nothing else is thrown.
      throw (error as AggregateError).errors[0]
    }
  }

  /** @throws StagingError when the lease is not one of a declared draft that is still open */
  async #manifestOf(lease: Lease, bundleId: string): Promise<StoredManifest> {
    const nowMs = this.#context.clock.now()
    refuseGone(lease, bundleId, nowMs)
    if (lease.state === 'committed') throw new StagingError('STAGE_ERR_COMMITTED', { subject: bundleId })
    if (lease.declaredSha256 === undefined) throw uploadRunning(lease, nowMs)
    const manifest = await this.#context.manifests.find({ bundleId, attempt }, lease)
    // A crash between the lease and the manifest: nobody was told of this draft.
    if (manifest === undefined) throw new StagingError('STAGE_ERR_NOT_FOUND', { subject: bundleId })
    return manifest
  }

  /** Keeps the draft for another full draft lease, if less than half of one is left. */
  async #pushOn(bundleId: string): Promise<void> {
    const { leases, times, clock } = this.#context
    await leases.swap(bundleId, lease =>
      lease.state === 'draft' && isHalfSpent(lease, times.draftLeaseMs, clock.now())
        ? { ...lease, expiresAtMs: clock.now() + times.draftLeaseMs }
        : lease
    )
  }
}
