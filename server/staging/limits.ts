import { StagingError } from '../../shared/errors.ts'
import type { StagingLimits } from './staging-context.ts'

/** @throws StagingError `STAGE_ERR_NO_PARTS`, `STAGE_ERR_TOO_MANY_ENTRIES` */
export function checkEntriesCount(count: number, limits: StagingLimits): void {
  if (count === 0)
    throw new StagingError('STAGE_ERR_NO_PARTS', { expected: 'at least 1 file', found: '0 files' })
  if (count > limits.maxEntriesCount) {
    throw new StagingError('STAGE_ERR_TOO_MANY_ENTRIES', {
      expected: `at most ${limits.maxEntriesCount} entries`,
      found: `${count} entries`
    })
  }
}

/** @throws StagingError `STAGE_ERR_TOO_LARGE` */
export function checkUploadBytes(sizeBytes: number, limits: StagingLimits): void {
  if (sizeBytes > limits.maxUploadBytes) throw tooLarge(limits, `${sizeBytes} bytes`)
}

/** @param found how much it is, when that is known: nobody reads an endless upload to its end */
export function tooLarge(limits: StagingLimits, found = 'more bytes'): StagingError {
  return new StagingError('STAGE_ERR_TOO_LARGE', {
    expected: `at most ${limits.maxUploadBytes} bytes in all`,
    found
  })
}
