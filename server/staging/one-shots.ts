import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { StagingError } from '../../shared/errors.ts'
import { secondMs } from '../../shared/units.ts'
import { reserve, settle } from './accounts.ts'
import { type ArrivingFile, digest, keepFirstData, receiveFiles } from './arriving-files.ts'
import { ArrivingRoom } from './arriving-room.ts'
import { bundleIdFor } from './bundle-id.ts'
import { currentManifest } from './current-manifest.ts'
import { dataBytes, removeBytes } from './data-objects.ts'
import { putBytes } from './disk-space.ts'
import { beginDraft, discardDraft } from './draft-steps.ts'
import { removeEnded } from './ending.ts'
import { type Attempt, attemptAccount, dataKey, indexKeys, unnamed } from './keys.ts'
import { layOut } from './lay-out.ts'
import {
  type CommittedLease,
  committed,
  isCommitted,
  isEnded,
  type Lease,
  refuseGone,
  uploadRunning,
  withoutWriter
} from './lease.ts'
import { publicEntries, type StoredEntry } from './manifests.ts'
import type { StagingContext, Uploader } from './staging-context.ts'

/** A running one-shot upload says this often that it is alive, and is believed for twice as long. */
const writerPulseMs = 15 * secondMs

/** The files of one request. */
export interface ArrivingUpload {
  /** One at a time; each one's source is read to its end before the next is asked for. */
  readonly files: AsyncIterable<ArrivingFile>
  /** The length of the whole request, when it said so: no more than this will arrive. */
  readonly announcedBytes: number | undefined
}

/** What an uploader says who names the namespace last. */
export type NamedOwner = Pick<Lease, 'namespace' | 'ownerLabels'>

/** A bundle that was staged. */
export interface StagedBundle {
  readonly bundleId: string
  readonly lease: CommittedLease
  readonly entries: readonly StoredEntry[]
}

/**
 * Bundles that arrive in one request, whose entries are known only when their last byte is there. In the store: due
 * marker, lease, index, data, manifest, and the swap of the lease that is the commit.
 */
export class OneShots {
  readonly #context: StagingContext
  /** This process, among all that ever write to the store. */
  readonly #writerId = randomUUID()
  /** What this process is uploading right now, by bundle. */
  readonly #running = new Set<string>()

  constructor(context: StagingContext) {
    this.#context = context
  }

  /**
   * Stages all files of one request, or nothing.
   *
   * @throws StagingError for bad entries as {@link layOut}; `STAGE_ERR_NO_PARTS`, `STAGE_ERR_TOO_LARGE`,
   *   `STAGE_ERR_TOO_MANY_ENTRIES`, `STAGE_ERR_UPLOAD_RUNNING`, `STAGE_ERR_KEY_REUSED`, `STAGE_ERR_GONE`,
   *   `STAGE_ERR_QUOTA`, `STAGE_ERR_NO_SPACE`
   */
  async stage(
    uploader: Uploader,
    idempotencyKey: string | undefined,
    { files, announcedBytes }: ArrivingUpload,
    signal: AbortSignal
  ): Promise<StagedBundle> {
    const bundleId = bundleIdFor(uploader.namespace, uploader.principal, idempotencyKey)
    if (this.#running.has(bundleId))
      throw new StagingError('STAGE_ERR_UPLOAD_RUNNING', { retryAfterSeconds: 1 })
    this.#running.add(bundleId)
    try {
      return await this.#orUndo(bundleId, idempotencyKey, async () => {
        const lease = await this.#begin(uploader, bundleId)
        if (isCommitted(lease)) return this.#compare(bundleId, lease, files)
        return this.#run(lease, bundleId, { files, announcedBytes }, signal)
      })
    } finally {
      this.#running.delete(bundleId)
    }
  }

  /**
   * Stages all files of one request, or nothing, for an uploader who names the namespace last, as the fork's client does.
   *
   * @param nameOwner asked once, when all files have arrived; may refuse by throwing
   * @throws StagingError as {@link stage}, and what `nameOwner` throws
   */
  async stageUnnamed(
    principal: string,
    upload: ArrivingUpload,
    nameOwner: () => NamedOwner,
    signal: AbortSignal
  ): Promise<StagedBundle> {
    const uploader = { namespace: unnamed, principal }
    const bundleId = bundleIdFor(unnamed, principal, undefined)
    return this.#orUndo(bundleId, undefined, async () => {
      const lease = await this.#begin(uploader, bundleId)
      return this.#run(lease, bundleId, upload, signal, nameOwner)
    })
  }

  /** What cannot be undone is swept with its draft; the first error is the one to tell. */
  async #orUndo(
    bundleId: string,
    idempotencyKey: string | undefined,
    stage: () => Promise<StagedBundle>
  ): Promise<StagedBundle> {
    try {
      return await stage()
    } catch (error) {
      await this.#undo(bundleId, idempotencyKey, error).catch(() => {})
      throw error
    }
  }

  /** @returns the lease: committed when the bundle is there already, else one that lets this process write it */
  async #begin(uploader: Uploader, bundleId: string): Promise<Lease> {
    const { store, clock } = this.#context
    const nowMs = clock.now()
    const writer = { id: this.#writerId, untilMs: nowMs + 2 * writerPulseMs }
    const expiresAtMs = nowMs + this.#context.times.draftLeaseMs
    const lease: Lease = { ...uploader, state: 'draft', attempt: 0, createdAtMs: nowMs, expiresAtMs, writer }
    const begun = await beginDraft(this.#context, bundleId, lease, current =>
      this.#takeOver(current, lease, bundleId)
    )
    if (isCommitted(begun.lease)) return begun.lease
    if (!begun.isNew) await this.#forgetAttempt({ bundleId, attempt: begun.lease.attempt - 1 })
    for (const key of indexKeys(uploader.namespace, bundleId)) await store.create(key, '')
    return begun.lease
  }

  #takeOver(current: Lease, mine: Lease, bundleId: string): Lease {
    const nowMs = this.#context.clock.now()
    if (current.state !== 'draft') refuseGone(current, bundleId, nowMs)
    if (current.declaredSha256 !== undefined) throw new StagingError('STAGE_ERR_KEY_REUSED')
    if (isCommitted(current)) return current
    const isAlive = current.writer !== undefined && current.writer.untilMs > nowMs
    // Within this process #running knows better.
    if (isAlive && current.writer.id !== this.#writerId) throw uploadRunning(current, nowMs)
    return { ...mine, attempt: current.attempt + 1, createdAtMs: current.createdAtMs }
  }

  async #run(
    begun: Lease,
    bundleId: string,
    { files, announcedBytes }: ArrivingUpload,
    signal: AbortSignal,
    nameOwner?: () => NamedOwner
  ): Promise<StagedBundle> {
    const { attempt } = begun
    const { store, leases, manifests, clock, times, hints, limits } = this.#context
    const pulseMs = Math.min(writerPulseMs, times.draftLeaseMs / 4)
    const stop = clock.every(pulseMs, () => this.#pulse(bundleId).catch(() => {}))
    try {
      const at = { bundleId, attempt }
      const account = attemptAccount(at)
      const room = new ArrivingRoom(this.#context, account, begun.namespace, announcedBytes)
      const arrived = await receiveFiles(files, limits, async (file, limitBytes, before) => {
        const known = [...before, { kind: file.kind, name: file.name }]
        const source = await room.admit(file.source, known)
        return putBytes(store, dataKey(at, before.length), source, { limitBytes }, signal, known)
      })
      const owner = nameOwner?.() ?? { namespace: begun.namespace }
      const { namespace } = owner
      const entries = keepFirstData(arrived)
      const sizeBytes = dataBytes(entries)
      if (namespace !== begun.namespace) {
        await reserve(this.#context, { account, namespace, sizeBytes }, entries)
        await this.#name(bundleId, owner)
      }
      const kept = new Set(entries.map(({ data }) => data))
      const repeats = [...arrived.keys()].filter(number => !kept.has(number))
      await store.delete(repeats.map(number => dataKey(at, number)))
      const createdAt = new Date(clock.now()).toISOString()
      await manifests.create({ ...at, namespace, createdAt, entries })
      const lease = await leases.swap(bundleId, current => {
        if (current.state !== 'draft') refuseGone(current, bundleId, clock.now())
        if (current.attempt !== attempt) throw uploadRunning(current, clock.now())
        return committed(current, { account, sizeBytes }, times, clock.now())
      })
      await settle(this.#context, lease)
      for (const { sha256 } of entries) await hints.remember(namespace, at, sha256)
      return { bundleId, lease, entries }
    } finally {
      stop()
    }
  }

  /** Gives a draft its namespace and its owner: first in the lease, so that whoever removes the draft knows where it is listed. */
  async #name(bundleId: string, owner: NamedOwner): Promise<void> {
    const { store, leases, clock } = this.#context
    await leases.swap(bundleId, current => {
      if (current.state !== 'draft') refuseGone(current, bundleId, clock.now())
      return { ...current, ...owner }
    })
    for (const key of indexKeys(owner.namespace, bundleId)) await store.create(key, '')
  }

  /** The answer to a repeated request: the bundle that is there, if these are its files. */
  async #compare(
    bundleId: string,
    lease: CommittedLease,
    files: AsyncIterable<ArrivingFile>
  ): Promise<StagedBundle> {
    const arrived = await receiveFiles(files, this.#context.limits, ({ source }) => digest(source))
    const { entries } = await currentManifest(this.#context, bundleId, lease)
    if (!isDeepStrictEqual(layOut(arrived), publicEntries(entries)))
      throw new StagingError('STAGE_ERR_KEY_REUSED')
    return { bundleId, lease, entries }
  }

  /** Says that this upload is alive, and keeps its draft. */
  async #pulse(bundleId: string): Promise<void> {
    const { leases, clock, times } = this.#context
    const nowMs = clock.now()
    const writer = { id: this.#writerId, untilMs: nowMs + 2 * writerPulseMs }
    await leases.swap(bundleId, lease =>
      lease.state === 'draft' && lease.writer?.id === this.#writerId
        ? { ...lease, writer, expiresAtMs: nowMs + times.draftLeaseMs }
        : lease
    )
  }

  /**
   * Removes all of a failed upload. With a key, the lease stays as that of a draft that nobody writes: the next request
   * with this key takes it over. It says so before anything goes: a commit whose outcome is not known could come yet.
   */
  async #undo(bundleId: string, idempotencyKey: string | undefined, failure: unknown): Promise<void> {
    if (idempotencyKey === undefined) return discardDraft(this.#context, bundleId, failure)
    let isMine = false
    const lease = await this.#context.leases.swap(bundleId, current => {
      isMine = current.state === 'draft' && current.writer?.id === this.#writerId
      return isMine ? withoutWriter(current) : current
    })
    // Revoked or swept meanwhile: what came after that goes as well.
    if (isEnded(lease)) return removeEnded(this.#context, bundleId, lease)
    if (isMine) await this.#forgetAttempt({ bundleId, attempt: lease.attempt })
  }

  /** Removes what an attempt has brought that will never be committed. */
  async #forgetAttempt(attempt: Attempt): Promise<void> {
    await removeBytes(this.#context.store, attempt)
    await this.#context.usage.drop(attemptAccount(attempt))
  }
}
