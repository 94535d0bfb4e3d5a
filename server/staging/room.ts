import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { StagingError } from '../../shared/errors.ts'
import { MiB } from '../../shared/units.ts'
import {
  type PutExpectations,
  type StorageDriver,
  StorageError,
  type StoredBytes,
  type StoreSpace
} from '../storage/storage-driver.ts'
import { unnamed } from './keys.ts'
import type { CommittedLease, EndedLease } from './lease.ts'
import type { Leases } from './leases.ts'
import { type Figures, noRoom, type RequestedFile } from './limits.ts'
import type { StagingContext } from './staging-context.ts'
import { type Account, type Ledger, type UsedBytes, usedBytes } from './usage.ts'

/** An upload of unknown length reserves as much again as it has, within these bounds. */
const firstSliceBytes = MiB
const lastSliceBytes = 64 * MiB

/**
 * Counts a bundle with so many bytes before they are accepted.
 *
 * @throws StagingError `STAGE_ERR_QUOTA` when its namespace, `STAGE_ERR_NO_SPACE` when the whole store has no room for it
 */
export async function reserve(
  { usage, limits }: StagingContext,
  account: Account,
  files: readonly RequestedFile[],
  instead?: string
): Promise<void> {
  const { namespaceQuotaBytes, maxStoreBytes } = limits
  const { namespace, sizeBytes: askedBytes } = account
  const check = (others: Ledger) => {
    // What has no namespace yet is looked at again when it is named.
    if (namespace !== unnamed) {
      refuseOver('STAGE_ERR_QUOTA', namespaceQuotaBytes, usedBytes(others, namespace))
    }
    refuseOver('STAGE_ERR_NO_SPACE', maxStoreBytes, usedBytes(others))
  }
  await usage.reserve(account, check, instead)

  function refuseOver(
    code: 'STAGE_ERR_QUOTA' | 'STAGE_ERR_NO_SPACE',
    limitBytes: number | undefined,
    { heldBytes, reservedBytes }: UsedBytes
  ): void {
    const usedBytes = heldBytes + reservedBytes
    if (limitBytes === undefined || usedBytes + askedBytes <= limitBytes) return
    throw noRoom(code, { limitBytes, usedBytes, askedBytes }, files)
  }
}

/**
 * Counts a bundle that was committed as held. A store that cannot take it is no reason to fail a request whose bundle is
 * there: what was reserved for it counts until it ends.
 */
export async function settle({ usage }: StagingContext, lease: CommittedLease): Promise<void> {
  try {
    await usage.settle(lease)
  } catch (error) {
    if (!(error instanceof StorageError)) throw error
  }
}

/** Counts a bundle no more that has ended and holds nothing any more. Doing it again is harmless. */
export async function release(
  { usage, leases }: StagingContext,
  bundleId: string,
  lease: EndedLease
): Promise<void> {
  const { account, namespace, sizeBytes } = lease
  if (account === undefined || sizeBytes === undefined) return usage.drop(bundleId)
  const counted = { account, namespace, sizeBytes }
  const taker = lease.releasedBy ?? (await usage.takeOut(counted, randomUUID()))
  await usage.close(counted, await confirmTaker(leases, bundleId, taker))
}

/** @returns whose removal counts; nobody's when the lease itself is forgotten: then all was counted off before */
async function confirmTaker(leases: Leases, bundleId: string, taker: string): Promise<string> {
  try {
    const { releasedBy = taker } = await leases.swap(bundleId, current =>
      current.releasedBy === undefined ? { ...current, releasedBy: taker } : current
    )
    return releasedBy
  } catch (error) {
    if (error instanceof StagingError && error.code === 'STAGE_ERR_NOT_FOUND') return 'nobody'
    throw error
  }
}

/** The bytes of one request whose files are known only as they arrive, reserved before they are taken. */
export class ArrivingRoom {
  readonly #context: StagingContext
  readonly #account: string
  readonly #namespace: string
  readonly #announcedBytes: number | undefined
  #reservedBytes = 0
  #takenBytes = 0

  /** @param announcedBytes the length of the whole request, if it said so: then one reservation is enough */
  constructor(
    context: StagingContext,
    account: string,
    namespace: string,
    announcedBytes: number | undefined
  ) {
    this.#context = context
    this.#account = account
    this.#namespace = namespace
    this.#announcedBytes = announcedBytes
  }

  /**
   * Makes sure of room for what comes next.
   *
   * @param files those that have arrived, and the one that is about to
   * @returns the source to read instead, which waits whenever it needs more room
   * @throws StagingError as {@link reserve}, here or from the source
   */
  async admit(source: Readable, files: readonly RequestedFile[]): Promise<Readable> {
    if (this.#takenBytes >= this.#reservedBytes) await this.#grow(files)
    return this.#announcedBytes === undefined ? Readable.from(this.#meter(source, files)) : source
  }

  async *#meter(source: Readable, files: readonly RequestedFile[]): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      this.#takenBytes += chunk.length
      while (this.#takenBytes > this.#reservedBytes) await this.#grow(files)
      yield chunk
    }
  }

  async #grow(files: readonly RequestedFile[]): Promise<void> {
    const { limits, store } = this.#context
    const sliceBytes = Math.min(Math.max(firstSliceBytes, this.#reservedBytes), lastSliceBytes)
    const wantedBytes = this.#announcedBytes ?? this.#reservedBytes + sliceBytes
    // Beyond the limit the bytes themselves are refused.
    const sizeBytes = Math.min(wantedBytes, limits.maxUploadBytes)
    await checkFreeSpace(store, sizeBytes - this.#reservedBytes, files)
    const account = { account: this.#account, namespace: this.#namespace, sizeBytes }
    await reserve(this.#context, account, files)
    this.#reservedBytes = wantedBytes
  }
}

/**
 * Refuses what the disk has no room for, before the first byte. A store without a disk of its own takes everything.
 *
 * @throws StagingError `STAGE_ERR_NO_SPACE`
 */
export async function checkFreeSpace(
  store: StorageDriver,
  askedBytes: number,
  files: readonly RequestedFile[]
): Promise<void> {
  const space = await store.space?.()
  if (space !== undefined && askedBytes > space.freeBytes) {
    throw noRoom('STAGE_ERR_NO_SPACE', { ...figures(space), askedBytes }, files)
  }
}

/**
 * Stores bytes; the error of a disk that fills up meanwhile has the figures, too.
 *
 * @param files of the request, as far as they are known
 * @throws as {@link StorageDriver.put}, and StagingError `STAGE_ERR_NO_SPACE`
 */
export async function putBytes(
  store: StorageDriver,
  key: string,
  source: Readable,
  expected: PutExpectations,
  signal: AbortSignal,
  files: readonly RequestedFile[]
): Promise<StoredBytes> {
  try {
    return await store.put(key, source, expected, signal)
  } catch (error) {
    const space =
      error instanceof StorageError && error.failure === 'no-space' ? await store.space?.() : undefined
    throw space === undefined ? error : noRoom('STAGE_ERR_NO_SPACE', figures(space), files, error)
  }
}

function figures({ totalBytes, freeBytes }: StoreSpace): Figures {
  return { limitBytes: totalBytes, usedBytes: totalBytes - freeBytes }
}
