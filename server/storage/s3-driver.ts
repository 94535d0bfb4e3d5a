import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { backoffMs } from '../../shared/backoff.ts'
import { GiB, secondMs } from '../../shared/units.ts'
import { bodyOf, S3Bucket, type S3Place } from './s3-bucket.ts'
import type { S3Settings } from './s3-client.ts'
import { sendBody } from './s3-download.ts'
import { readFailure, toStorageError } from './s3-failure.ts'
import {
  abortUpload,
  copyInParts,
  copyMs,
  isListedByPrefix,
  unfinishedUploads,
  uploadTarget
} from './s3-multipart.ts'
import { checkBucket, probeKey } from './s3-start.ts'
import { uploadStream } from './s3-upload.ts'
import {
  type ByteRange,
  type OpenBytes,
  type PutExpectations,
  type SmallObject,
  type StorageDriver,
  StorageError,
  type StoredBytes
} from './storage-driver.ts'

/** What AWS copies in one request. */
const usualCopyBytes = 5 * GiB

/** How long the readiness probe waits for an answer: the kubelet waits no longer. */
const probeMs = 2 * secondMs

/** S3 lists and deletes so many objects in one request. */
const pageCount = 1000

/** How often a write that met another one in the same moment is tried again: S3 asks for it by 409. */
const maxConflicts = 5
const firstConflictMs = 50
const longestConflictMs = 500

/** A bucket, or what lies below a prefix of one: for any number of servers at once. */
export class S3Driver implements StorageDriver {
  readonly name = 's3'
  readonly #bucket: S3Bucket
  readonly #longestCopyBytes: number
  /** Whether unfinished uploads can be listed by the beginning of their keys: MinIO cannot. */
  #isListedByPrefix = true

  private constructor(bucket: S3Bucket, { longestCopyBytes = usualCopyBytes }: S3Settings) {
    this.#bucket = bucket
    this.#longestCopyBytes = longestCopyBytes
  }

  /**
   * Opens the store below a prefix of a bucket, once it has shown that it keeps what the contract promises.
   *
   * @param url `s3://bucket[/prefix]`
   * @throws StorageError that says what is wrong with bucket, credentials, region or endpoint, and how to mend it
   */
  static async open(url: string, settings: S3Settings): Promise<S3Driver> {
    const bucket = new S3Bucket(url, settings)
    const driver = new S3Driver(bucket, settings)
    try {
      await checkBucket(driver)
      driver.#isListedByPrefix = await isListedByPrefix(bucket)
      return driver
    } catch (error) {
      await driver.close()
      // A boundary: a check throws nothing else.
      const { failure, message, todo } = error as StorageError
      throw new StorageError(failure, `${url} cannot be a store: ${todo ?? message}`, error, todo)
    }
  }

  async put(
    key: string,
    source: Readable,
    expected: PutExpectations,
    signal: AbortSignal
  ): Promise<StoredBytes> {
    return uploadStream(uploadTarget(this.#bucket, this.#bucket.at(key)), source, expected, signal)
  }

  async copy(from: string, to: string): Promise<boolean> {
    try {
      const sizeBytes = await this.sizeOf(from)
      if (sizeBytes > this.#longestCopyBytes) {
        await copyInParts(this.#bucket, { from, to, sizeBytes }, this.#longestCopyBytes)
        return true
      }
      const copy = new CopyObjectCommand({
        ...this.#bucket.at(to),
        ...this.#bucket.encryption,
        CopySource: this.#bucket.sourceOf(from)
      })
      const within = { answerMs: copyMs }
      await this.#bucket.ask(`copy ${from}`, (client, options) => client.send(copy, options), within)
      return true
    } catch (error) {
      if (error instanceof StorageError && error.failure === 'not-found') return false
      throw error
    }
  }

  async open(key: string, range: ByteRange): Promise<OpenBytes> {
    if (range.start === range.end) {
      await this.sizeOf(key)
      return { sendTo: async () => {}, close: async () => {} }
    }
    const Range = `bytes=${range.start}-${range.end - 1}`
    const get = new GetObjectCommand({ ...this.#bucket.at(key), Range })
    const { Body } = await this.#bucket.ask(`open ${key}`, (client, options) => client.send(get, options))
    // A boundary: on Node, a body is a stream of Node.
    const body = Body as Readable
    return {
      sendTo: (sink, signal) => sendBody(body, sink, signal, key),
      close: async () => void body.destroy()
    }
  }

  async sizeOf(key: string): Promise<number> {
    const { Key, Bucket } = this.#bucket.at(key)
    // Unlike HEAD, whose 404 does not say what is missing, a list tells a bucket that is gone from a key that is.
    const list = new ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1 })
    const answer = await this.#bucket.ask(`look at ${key}`, (client, options) => client.send(list, options))
    const first = answer.Contents?.[0]
    if (first?.Key !== Key) throw new StorageError('not-found', `look at ${key}: not found`)
    return Number(first.Size)
  }

  create(key: string, text: string): Promise<boolean> {
    return this.#write(key, text, { IfNoneMatch: '*' })
  }

  async read(key: string): Promise<SmallObject> {
    const get = new GetObjectCommand(this.#bucket.at(key))
    return this.#bucket.ask(`read ${key}`, async (client, options) => {
      const { Body, ETag } = await client.send(get, options)
      return { text: String(await Body?.transformToString()), version: String(ETag) }
    })
  }

  replace(key: string, text: string, version: string): Promise<boolean> {
    return this.#write(key, text, { IfMatch: version })
  }

  async list(folder: string, after: string, limit: number): Promise<readonly string[]> {
    const { Key, Bucket } = this.#bucket.at(folder)
    // Everything in a folder comes before this: no name has a `~`.
    const start = after.endsWith('/') ? `${after}~` : after
    const names: string[] = []
    let token: string | undefined
    do {
      const page = new ListObjectsV2Command({
        Bucket,
        Prefix: Key,
        Delimiter: '/',
        MaxKeys: Math.min(limit - names.length, pageCount),
        ...(token === undefined ? {} : { ContinuationToken: token }),
        ...(after === '' ? {} : { StartAfter: Key + start })
      })
      const found = await this.#bucket.ask(`list ${folder}`, (client, options) => client.send(page, options))
      const { Contents = [], CommonPrefixes = [], NextContinuationToken, IsTruncated } = found
      const keys = [...Contents.map(object => object.Key), ...CommonPrefixes.map(one => one.Prefix)]
      names.push(...keys.map(key => String(key).slice(Key.length)).filter(name => name > after))
      token = IsTruncated === true ? NextContinuationToken : undefined
    } while (token !== undefined && names.length < limit)
    return names.sort(byCodeUnit)
  }

  async delete(keys: readonly string[]): Promise<void> {
    const places = keys.map(key => this.#bucket.at(key))
    const [only] = places
    if (only !== undefined && places.length === 1) {
      const one = new DeleteObjectCommand(only)
      await this.#bucket
        .ask(`delete ${only.Key}`, (client, options) => client.send(one, options))
        .catch(unlessGone)
      return
    }
    for (let done = 0; done < places.length; done += pageCount) {
      await this.#deletePage(places.slice(done, done + pageCount))
    }
  }

  async abortUnfinished(folder: string): Promise<void> {
    const uploads = unfinishedUploads(this.#bucket, folder, this.#isListedByPrefix)
    for await (const upload of uploads) await abortUpload(this.#bucket, upload)
  }

  presign(key: string, seconds: number, contentType: string): Promise<string> {
    const get = new GetObjectCommand({ ...this.#bucket.at(key), ResponseContentType: contentType })
    // Signing asks nobody, so nobody would tell that this machine's clock is wrong.
    const signingDate = new Date(Date.now() + this.clockAheadMs())
    const options = { expiresIn: seconds, signingDate }
    return this.#bucket.ask(`sign for ${key}`, client => getSignedUrl(client, get, options))
  }

  clockAheadMs(): number {
    return this.#bucket.clock.aheadMs
  }

  async probe(): Promise<void> {
    const place = this.#bucket.at(probeKey)
    const put = new PutObjectCommand({ ...place, ...this.#bucket.encryption, ...bodyOf('') })
    const remove = new DeleteObjectCommand(place)
    const within = { answerMs: probeMs, attemptsCount: 1 }
    await this.#bucket.ask('probe', (client, options) => client.send(put, options), within)
    await this.#bucket.ask('probe', (client, options) => client.send(remove, options), within)
  }

  async countUnfinished(): Promise<number> {
    let count = 0
    for await (const _upload of unfinishedUploads(this.#bucket, '', this.#isListedByPrefix)) count += 1
    return count
  }

  async close(): Promise<void> {
    this.#bucket.close()
  }

  /**
   * Writes a small object on a condition. Each write has a name of its own: one that was asked for again, because its
   * answer got lost, must not take its own first try for another's.
   */
  async #write(
    key: string,
    text: string,
    condition: { readonly IfNoneMatch: string } | { readonly IfMatch: string }
  ): Promise<boolean> {
    const place = this.#bucket.at(key)
    const writer = randomUUID()
    const content = { ...bodyOf(text), Metadata: { writer } }
    const put = new PutObjectCommand({ ...place, ...this.#bucket.encryption, ...condition, ...content })
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        await this.#bucket.ask(`write ${key}`, (client, options) => client.send(put, options))
        return true
      } catch (error) {
        // A boundary: nobody aborts this, so S3 has refused or failed.
        const { failure, cause } = error as StorageError
        if (failure === 'not-found') return false
        const { status, attemptsCount } = readFailure(cause)
        const isRepeated = attemptsCount > 1 || conflicts > 0
        if (status === 412) return isRepeated && this.#bucket.isWrittenBy(place, writer)
        if (status !== 409 || conflicts === maxConflicts) throw error
        await setTimeout(backoffMs(conflicts + 1, firstConflictMs, longestConflictMs))
      }
    }
  }

  async #deletePage(page: readonly S3Place[]): Promise<void> {
    const Delete = { Objects: page.map(({ Key }) => ({ Key })), Quiet: true }
    const command = new DeleteObjectsCommand({ Bucket: this.#bucket.name, Delete })
    const doing = `delete ${page.length} objects`
    const { Errors = [] } = await this.#bucket.ask(doing, (client, options) => client.send(command, options))
    const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
    if (first !== undefined)
      throw toStorageError({ name: first.Code, $metadata: { httpStatusCode: 200 } }, `delete ${first.Key}`)
  }
}

/** AWS calls it a success to delete what is not there; others do not. */
function unlessGone(error: StorageError): void {
  if (error.failure !== 'not-found') throw error
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : 1
}
