import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { StoredBytes } from '../storage/storage-driver.ts'
import { type AnnouncedEntry, checkNames, layOut } from './lay-out.ts'
import { checkEntriesCount, checkUploadBytes, tooLarge } from './limits.ts'
import type { StoredEntry } from './manifests.ts'
import type { StagingLimits } from './staging-context.ts'

/** One file of a one-shot upload, as it arrives: its names are checked, its bytes not read. */
export interface ArrivingFile {
  readonly kind: string
  readonly name: string
  readonly alias?: string
  readonly source: Readable
}

/** Takes the bytes of one file, at most `limitBytes` of them, and says what they were. */
type Take = (
  file: ArrivingFile,
  limitBytes: number,
  arrived: readonly AnnouncedEntry[]
) => Promise<StoredBytes>

/** Takes the files one after the other, in order, within the limits of one request. */
export async function receiveFiles(
  files: AsyncIterable<ArrivingFile>,
  limits: StagingLimits,
  take: Take
): Promise<readonly AnnouncedEntry[]> {
  const arrived: AnnouncedEntry[] = []
  let totalBytes = 0
  for await (const file of files) {
    const { source: _source, ...names } = file
    checkEntriesCount(arrived.length + 1, limits)
    checkNames(names)
    const leftBytes = limits.maxUploadBytes - totalBytes
    const { sizeBytes, sha256 } = await take(file, leftBytes, arrived).catch(error => {
      // It knows of this file only, the client of all of them.
      throw error.code === 'STAGE_ERR_TOO_LARGE' ? tooLarge(limits, [...arrived, names]) : error
    })
    totalBytes += sizeBytes
    arrived.push({ ...names, sizeBytes, sha256 })
    checkUploadBytes(totalBytes, limits, arrived)
  }
  checkEntriesCount(arrived.length, limits)
  return arrived
}

/** Lays out what arrived; of equal bytes, the first to arrive are the ones that stay. */
export function keepFirstData(arrived: readonly AnnouncedEntry[]): readonly StoredEntry[] {
  const numbers = new Map<string, number>()
  for (const [number, { sha256 }] of arrived.entries()) {
    if (!numbers.has(sha256)) numbers.set(sha256, number)
  }
  // Every entry that is laid out is one that arrived.
  return layOut(arrived).map(entry => ({ ...entry, data: numbers.get(entry.sha256) as number }))
}

/** Reads what arrives without keeping it. */
export async function digest(source: Readable): Promise<StoredBytes> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of source) {
    hash.update(chunk)
    sizeBytes += chunk.length
  }
  return { sizeBytes, sha256: hash.digest('hex') }
}
