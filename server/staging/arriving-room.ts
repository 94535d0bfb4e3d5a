import { Readable } from 'node:stream'
import { MiB } from '../../shared/units.ts'
import { reserve } from './accounts.ts'
import { checkFreeSpace } from './disk-space.ts'
import type { RequestedFile } from './limits.ts'
import type { StagingContext } from './staging-context.ts'

/** An upload of unknown length reserves as much again as it has, within these bounds. */
const firstSliceBytes = MiB
const lastSliceBytes = 64 * MiB

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
