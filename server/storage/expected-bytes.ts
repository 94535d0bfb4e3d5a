import { createHash } from 'node:crypto'
import { StagingError } from '../../shared/errors.ts'
import type { PutExpectations, StoredBytes } from './storage-driver.ts'

/** Bytes as they come: counted, hashed, and compared with what they must be. */
export class ExpectedBytes {
  readonly #expected: PutExpectations
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  constructor(expected: PutExpectations) {
    this.#expected = expected
  }

  /**
   * Counts bytes that have come. More than may come fails at once: the multipart parser cuts oversized parts without an
   * error.
   *
   * @throws StagingError `STAGE_ERR_SIZE`, `STAGE_ERR_TOO_LARGE`
   */
  count(bytes: number): void {
    const { sizeBytes, limitBytes } = this.#expected
    this.#sizeBytes += bytes
    if (sizeBytes !== undefined && this.#sizeBytes > sizeBytes) {
      throw new StagingError('STAGE_ERR_SIZE', { expected: `${sizeBytes} bytes`, found: 'more bytes' })
    }
    if (this.#sizeBytes > limitBytes) {
      const details = { expected: `at most ${limitBytes} bytes`, found: 'more bytes' }
      throw new StagingError('STAGE_ERR_TOO_LARGE', details)
    }
  }

  /** Hashes bytes that were counted, in their order. */
  hash(bytes: Buffer): void {
    this.#hash.update(bytes)
  }

  /** What came, once it is all. @throws StagingError `STAGE_ERR_SIZE`, `STAGE_ERR_DIGEST` */
  result(): StoredBytes {
    const { sizeBytes, sha256 } = this.#expected
    const found = { sizeBytes: this.#sizeBytes, sha256: this.#hash.digest('hex') }
    if (sizeBytes !== undefined && sizeBytes !== found.sizeBytes) {
      const details = { expected: `${sizeBytes} bytes`, found: `${found.sizeBytes} bytes` }
      throw new StagingError('STAGE_ERR_SIZE', details)
    }
    if (sha256 !== undefined && sha256 !== found.sha256) {
      throw new StagingError('STAGE_ERR_DIGEST', { expected: sha256, found: found.sha256 })
    }
    return found
  }
}
