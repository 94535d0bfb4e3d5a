import type { Report } from './fetch-bundle.ts'

/** Counts what all parallel downloads do together, and tells it on. */
export class Tally {
  readonly #report: Report
  readonly #fileCount: number
  readonly #sizeBytes: number
  #doneFileCount: number
  #doneBytes: number
  #fetchedBytes = 0

  /** Begins with every file done; {@link expect} takes away those that are not. */
  constructor({ fileCount, sizeBytes }: { fileCount: number; sizeBytes: number }, report: Report) {
    this.#report = report
    this.#fileCount = fileCount
    this.#sizeBytes = sizeBytes
    this.#doneFileCount = fileCount
    this.#doneBytes = sizeBytes
  }

  /** Bytes of bodies that crossed the network, those thrown away included. */
  get fetchedBytes(): number {
    return this.#fetchedBytes
  }

  /** One file is not there yet. */
  expect(sizeBytes: number): void {
    this.#doneFileCount -= 1
    this.#doneBytes -= sizeBytes
  }

  /** These bytes of a file were there from an earlier run. */
  found(countBytes: number): void {
    this.#change(countBytes)
  }

  /** These bytes have arrived. */
  fetched(countBytes: number): void {
    this.#fetchedBytes += countBytes
    this.#change(countBytes)
  }

  /** These bytes were thrown away again. */
  lost(countBytes: number): void {
    this.#change(-countBytes)
  }

  /** One file more is complete and right. */
  done(): void {
    this.#doneFileCount += 1
    this.#change(0)
  }

  #change(countBytes: number): void {
    this.#doneBytes += countBytes
    this.#report.progress({
      fileCount: this.#fileCount,
      doneFileCount: this.#doneFileCount,
      sizeBytes: this.#sizeBytes,
      doneBytes: this.#doneBytes
    })
  }
}
