import { type ErrorDetails, StagingError } from '../../shared/errors.ts'
import type { StagingLimits } from './staging-context.ts'

/** A file of a request; its size is not known while it arrives. */
export interface RequestedFile {
  readonly kind: string
  readonly name: string
  readonly sizeBytes?: number
}

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
export function checkUploadBytes(
  sizeBytes: number,
  limits: StagingLimits,
  files: readonly RequestedFile[]
): void {
  if (sizeBytes > limits.maxUploadBytes) throw tooLarge(limits, files, sizeBytes)
}

/** @param askedBytes when that is known: nobody reads an endless upload to its end */
export function tooLarge(
  { maxUploadBytes }: StagingLimits,
  files: readonly RequestedFile[],
  askedBytes?: number
): StagingError {
  return new StagingError('STAGE_ERR_TOO_LARGE', {
    expected: `at most ${maxUploadBytes} bytes in all`,
    found: askedBytes === undefined ? 'more bytes' : `${askedBytes} bytes`,
    limitBytes: maxUploadBytes,
    ...asked(files, askedBytes)
  })
}

/** How much there is of something, and how much of it is gone. */
export interface Figures {
  readonly limitBytes: number
  /** Held and reserved. */
  readonly usedBytes: number
  /** When that is known. */
  readonly askedBytes?: number
}

/** The answer to a request for which there is no room left, with all figures. */
export function noRoom(
  code: 'STAGE_ERR_QUOTA' | 'STAGE_ERR_NO_SPACE',
  { limitBytes, usedBytes, askedBytes }: Figures,
  files: readonly RequestedFile[],
  cause?: unknown
): StagingError {
  const leftBytes = Math.max(0, limitBytes - usedBytes)
  return new StagingError(code, {
    expected: `at most ${leftBytes} bytes: ${usedBytes} of ${limitBytes} are used or reserved`,
    found: askedBytes === undefined ? 'more bytes' : `${askedBytes} bytes`,
    limitBytes,
    usedBytes,
    ...asked(files, askedBytes),
    cause
  })
}

/** What a request asked for, and its three largest files: what to leave out first. */
function asked(files: readonly RequestedFile[], askedBytes?: number): ErrorDetails {
  const largest = [...files]
    .sort((a, b) => sizeOf(b) - sizeOf(a))
    .slice(0, 3)
    .map(({ kind, name, sizeBytes }) => ({
      path: `${kind}/${name}`,
      ...(sizeBytes === undefined ? {} : { sizeBytes })
    }))
  return askedBytes === undefined ? { largest } : { askedBytes, largest }
}

/** One that is just arriving may be any size. */
function sizeOf({ sizeBytes = Number.POSITIVE_INFINITY }: RequestedFile): number {
  return sizeBytes
}
