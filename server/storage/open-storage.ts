import { fileURLToPath } from 'node:url'
import { quote } from '../../shared/errors.ts'
import type { Disk } from './disk.ts'
import { LocalDriver } from './local-driver.ts'
import type { S3Settings } from './s3-client.ts'
import type { StorageDriver } from './storage-driver.ts'

export type { S3Settings } from './s3-client.ts'

/** How to reach a store: what the one or the other kind needs. */
export interface StorageOptions {
  readonly s3?: S3Settings
  readonly disk?: Disk
}

/** A bucket as S3 names them, and a prefix that a URL cannot bend. */
const s3Pattern = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*\/?$/

/** @param where the variable or flag that it comes from @throws Error when this is no URL of a store */
export function checkStoreUrl(url: string, where = 'SPARK_STAGE_STORE'): void {
  if (/^file:\/\/\/./.test(url) || s3Pattern.test(url)) return
  throw new Error(
    `${where}: expected file:///path, or s3://bucket/prefix with the letters, digits, ".", "_" and "-" ` +
      `that may be in either, found ${quote(url)}`
  )
}

/**
 * Opens the store that `SPARK_STAGE_STORE` names: the only place that knows which drivers exist.
 *
 * @param url `file:///…` or `s3://bucket[/prefix]`
 * @throws StorageError when the store cannot be opened, or another process has it
 */
export async function openStorage(url: string, { s3, disk }: StorageOptions = {}): Promise<StorageDriver> {
  return isS3(url) ? openS3(url, s3) : LocalDriver.open(fileURLToPath(url), disk)
}

/**
 * Opens a store that is there already, to look at it: nothing is made, mended or cleaned up. Of one in S3 the
 * bucket has to be there, and nobody is kept from it meanwhile.
 *
 * @throws StorageError `not-found` when there is none; else as {@link openStorage}
 */
export async function openExistingStorage(url: string, { s3 }: StorageOptions = {}): Promise<StorageDriver> {
  return isS3(url) ? openS3(url, s3) : LocalDriver.openExisting(fileURLToPath(url))
}

/** Whether a store is in a bucket. */
export function isS3(url: string): boolean {
  return url.startsWith('s3:')
}

/** The SDK costs memory and time: only servers with a bucket load it. */
async function openS3(url: string, settings: S3Settings = {}): Promise<StorageDriver> {
  const { S3Driver } = await import('./s3-driver.ts')
  return S3Driver.open(url, settings)
}
