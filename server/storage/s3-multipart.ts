import { randomUUID } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsRequest,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand
} from '@aws-sdk/client-s3'
import { secondMs } from '../../shared/units.ts'
import { bodyOf, type S3Bucket, type S3Place } from './s3-bucket.ts'
import { readFailure } from './s3-failure.ts'
import { probeKey } from './s3-start.ts'
import type { UploadTarget } from './s3-upload.ts'
import { StorageError } from './storage-driver.ts'

/** How long S3 may take to take a part. */
const partMs = 60 * secondMs

/** How long S3 may take to copy as much as it copies at once. */
export const copyMs = 10 * 60 * secondMs

/** An upload that was begun and not finished. */
export interface UnfinishedUpload {
  readonly Key: string
  readonly UploadId: string
}

/** Uploads to one object, whole or in parts. */
export function uploadTarget(bucket: S3Bucket, place: S3Place): UploadTarget {
  const writer = randomUUID()
  const doing = `write ${place.Key}`
  return {
    putWhole: async body => {
      const put = new PutObjectCommand({ ...place, ...bucket.encryption, ...bodyOf(body) })
      await bucket.ask(doing, (client, options) => client.send(put, options), { answerMs: partMs })
    },
    begin: async () => {
      const begin = new CreateMultipartUploadCommand({ ...place, ...bucket.encryption, Metadata: { writer } })
      const { UploadId } = await bucket.ask(doing, (client, options) => client.send(begin, options))
      return String(UploadId)
    },
    sendPart: async (UploadId, PartNumber, Body, signal) => {
      const part = new UploadPartCommand({ ...place, UploadId, PartNumber, Body })
      const within = { signal, answerMs: partMs }
      const { ETag } = await bucket.ask(doing, (client, options) => client.send(part, options), within)
      return String(ETag)
    },
    complete: async (UploadId, etags) => {
      const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
      const complete = new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts } })
      try {
        await bucket.ask(doing, (client, options) => client.send(complete, options), { answerMs: partMs })
      } catch (error) {
        // Asked for again because the answer got lost, it finds the upload gone.
        if (!isUploadGone(error) || !(await bucket.isWrittenBy(place, writer))) throw error
      }
    },
    abort: async UploadId => {
      await abortUpload(bucket, { Key: place.Key, UploadId }).catch(() => {})
    }
  }
}

/** Copies an object in parts of at most `longestBytes`. @throws StorageError `not-found` when `from` is gone */
export async function copyInParts(
  bucket: S3Bucket,
  { from, to, sizeBytes }: { readonly from: string; readonly to: string; readonly sizeBytes: number },
  longestBytes: number
): Promise<void> {
  const place = bucket.at(to)
  const target = uploadTarget(bucket, place)
  const UploadId = await target.begin()
  try {
    const etags: string[] = []
    for (let start = 0; start < sizeBytes; start += longestBytes) {
      const part = new UploadPartCopyCommand({
        ...place,
        UploadId,
        PartNumber: etags.length + 1,
        CopySource: bucket.sourceOf(from),
        CopySourceRange: `bytes=${start}-${Math.min(start + longestBytes, sizeBytes) - 1}`
      })
      const ask = `copy ${from}`
      const within = { answerMs: copyMs }
      const { CopyPartResult } = await bucket.ask(
        ask,
        (client, options) => client.send(part, options),
        within
      )
      etags.push(String(CopyPartResult?.ETag))
    }
    await target.complete(UploadId, etags)
  } catch (error) {
    await target.abort(UploadId)
    throw error
  }
}

/**
 * All uploads below a folder that were begun and not finished.
 *
 * @param isListedByPrefix whether S3 lists them by the beginning of their keys; otherwise it is asked for all of the
 *   bucket
 */
export async function* unfinishedUploads(
  bucket: S3Bucket,
  folder: string,
  isListedByPrefix: boolean
): AsyncGenerator<UnfinishedUpload> {
  const { Key: start, Bucket } = bucket.at(folder)
  let markers: Pick<ListMultipartUploadsRequest, 'KeyMarker' | 'UploadIdMarker'> | undefined = {}
  while (markers !== undefined) {
    const page: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket,
      Prefix: isListedByPrefix ? start : '',
      ...markers
    })
    const found = await bucket.ask(`list uploads in ${folder}`, (client, options) =>
      client.send(page, options)
    )
    for (const { Key = '', UploadId = '' } of found.Uploads ?? []) {
      if (Key.startsWith(start)) yield { Key, UploadId }
    }
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = found
    const next = { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker }
    markers = IsTruncated === true ? next : undefined
  }
}

/** Gives an upload up; one that was finished or given up meanwhile is no failure. */
export async function abortUpload(bucket: S3Bucket, { Key, UploadId }: UnfinishedUpload): Promise<void> {
  const abort = new AbortMultipartUploadCommand({ Bucket: bucket.name, Key, UploadId })
  try {
    await bucket.ask(`abort ${Key}`, (client, options) => client.send(abort, options))
  } catch (error) {
    if (!isUploadGone(error)) throw error
  }
}

function isUploadGone(error: unknown): boolean {
  return error instanceof StorageError && readFailure(error.cause).code === 'NoSuchUpload'
}

/** Begins an upload, looks whether its folder lists it, and gives it up. */
export async function isListedByPrefix(bucket: S3Bucket): Promise<boolean> {
  const folder = `${probeKey}-${randomUUID()}/`
  const place = bucket.at(`${folder}x`)
  const UploadId = await uploadTarget(bucket, place).begin()
  try {
    for await (const _upload of unfinishedUploads(bucket, folder, true)) return true
    return false
  } finally {
    // A right that is missing for this would leave something behind with every upload that fails.
    await abortUpload(bucket, { Key: place.Key, UploadId })
  }
}
