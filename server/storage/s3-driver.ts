import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsRequest,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { GiB, secondMs } from '../../shared/units.ts'
import { checkKey } from './check-key.ts'
import { createClient, defaultAttempts, type S3Settings } from './s3-client.ts'
import { sendBody } from './s3-download.ts'
import { readFailure, toStorageError } from './s3-failure.ts'
import { checkBucket } from './s3-start.ts'
import { type UploadTarget, uploadStream } from './s3-upload.ts'
import {
  type ByteRange,
  type OpenBytes,
  type PutExpectations,
  type SmallObject,
  type StorageDriver,
  StorageError,
  type StoredBytes
} from './storage-driver.ts'
import type { StoreClock } from './store-clock.ts'

/** What S3 copies in one request. */
const longestCopyBytes = 5 * GiB

/** How long S3 may take to begin an answer: usually, to take a part, to copy as much as it can, and when the kubelet waits. */
const usualAnswerMs = 10 * secondMs
const partMs = 60 * secondMs
const copyMs = 10 * 60 * secondMs
const probeMs = 2 * secondMs

/** What bounds one request. */
interface Within {
  readonly signal?: AbortSignal
  /** How long S3 may take to begin its answer, each time that it is asked. */
  readonly answerMs?: number
  readonly attemptsCount?: number
}

/** S3 lists and deletes so many objects in one request. */
const pageCount = 1000

/** How often a write that met another one in the same moment is tried again: S3 asks for it by 409. */
const maxConflicts = 5

/** A bucket, or what lies below a prefix of one: for any number of servers at once. */
export class S3Driver implements StorageDriver {
  readonly name = 's3'
  readonly #client: S3Client
  readonly #clock: StoreClock
  readonly #settings: S3Settings
  readonly #bucket: string
  /** Empty, or ends in `/`. */
  readonly #prefix: string
  /** Whether uploads that are not finished can be listed by the beginning of their keys; MinIO cannot. */
  #listsUploadsByPrefix = true
  #isClosed = false

  private constructor(bucket: string, prefix: string, settings: S3Settings) {
    const { client, clock } = createClient(settings)
    this.#client = client
    this.#clock = clock
    this.#settings = settings
    this.#bucket = bucket
    this.#prefix = prefix
  }

  /**
   * Opens the store below a prefix of a bucket, once it has shown that it keeps what the contract promises.
   *
   * @param url `s3://bucket[/prefix]`
   * @throws StorageError that says what is wrong with bucket, credentials, region or endpoint, and how to mend it
   */
  static async open(url: string, settings: S3Settings): Promise<S3Driver> {
    const { hostname: bucket, pathname } = new URL(url)
    const prefix = pathname.replace(/^\/+|\/+$/g, '')
    const driver = new S3Driver(bucket, prefix === '' ? '' : `${prefix}/`, settings)
    try {
      driver.#listsUploadsByPrefix = await checkBucket(driver, () => driver.#tryUploadList())
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
    return uploadStream(this.#target(this.#at(key)), source, expected, signal)
  }

  async copy(from: string, to: string): Promise<boolean> {
    const { longestCopyBytes: longestBytes = longestCopyBytes } = this.#settings
    try {
      const sizeBytes = await this.sizeOf(from)
      if (sizeBytes > longestBytes) await this.#copyInParts(from, to, sizeBytes, longestBytes)
      else {
        const copy = { ...this.#at(to), ...this.#encryption, CopySource: this.#sourceOf(from) }
        await this.#ask(`copy ${from}`, options => this.#client.send(new CopyObjectCommand(copy), options), {
          answerMs: copyMs
        })
      }
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
    const get = new GetObjectCommand({ ...this.#at(key), Range: `bytes=${range.start}-${range.end - 1}` })
    const { Body } = await this.#ask(`open ${key}`, options => this.#client.send(get, options))
    // A boundary: on Node, a body is a stream of Node.
    const body = Body as Readable
    return {
      sendTo: (sink, signal) => sendBody(body, sink, signal, key),
      close: async () => void body.destroy()
    }
  }

  async sizeOf(key: string): Promise<number> {
    const { Key, Bucket } = this.#at(key)
    // Unlike HEAD, whose 404 does not say what is missing, a list tells a bucket that is gone from a key that is.
    const list = new ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1 })
    const { Contents = [] } = await this.#ask(`look at ${key}`, options => this.#client.send(list, options))
    const [first] = Contents
    if (first?.Key !== Key) throw new StorageError('not-found', `look at ${key}: not found`)
    return first.Size ?? 0
  }

  create(key: string, text: string): Promise<boolean> {
    return this.#write(key, text, { IfNoneMatch: '*' })
  }

  async read(key: string): Promise<SmallObject> {
    const get = new GetObjectCommand(this.#at(key))
    return this.#ask(`read ${key}`, async options => {
      const { Body, ETag } = await this.#client.send(get, options)
      return { text: (await Body?.transformToString()) ?? '', version: String(ETag) }
    })
  }

  replace(key: string, text: string, version: string): Promise<boolean> {
    return this.#write(key, text, { IfMatch: version })
  }

  async list(folder: string, after: string, limit: number): Promise<readonly string[]> {
    const { Key, Bucket } = this.#at(folder)
    // Everything in a folder comes before this: no name has a `~`.
    const start = after.endsWith('/') ? `${after}~` : after
    const names: string[] = []
    let token: string | undefined
    do {
      const page = {
        Bucket,
        Prefix: Key,
        Delimiter: '/',
        MaxKeys: Math.min(limit - names.length, pageCount),
        ...(token === undefined ? {} : { ContinuationToken: token }),
        ...(after === '' ? {} : { StartAfter: Key + start })
      }
      const found = await this.#ask(`list ${folder}`, options =>
        this.#client.send(new ListObjectsV2Command(page), options)
      )
      const { Contents = [], CommonPrefixes = [], NextContinuationToken, IsTruncated } = found
      const keys = [...Contents.map(object => object.Key), ...CommonPrefixes.map(one => one.Prefix)]
      names.push(...keys.map(key => String(key).slice(Key.length)).filter(name => name > after))
      token = IsTruncated === true ? NextContinuationToken : undefined
    } while (token !== undefined && names.length < limit)
    return names.sort(byCodeUnit)
  }

  async delete(keys: readonly string[]): Promise<void> {
    const all = keys.map(key => this.#at(key))
    const [only] = all
    if (only !== undefined && all.length === 1) {
      await this.#ask(`delete ${keys[0]}`, options =>
        this.#client.send(new DeleteObjectCommand(only), options)
      )
      return
    }
    for (let done = 0; done < all.length; done += pageCount)
      await this.#deletePage(all.slice(done, done + pageCount))
  }

  async abortUnfinished(folder: string): Promise<void> {
    for await (const { Key, UploadId } of this.#unfinished(folder)) {
      const upload = { Bucket: this.#bucket, Key, UploadId }
      await this.#ask(`abort ${Key}`, options =>
        this.#client.send(new AbortMultipartUploadCommand(upload), options)
      )
    }
  }

  presign(key: string, seconds: number, contentType: string): Promise<string> {
    const get = new GetObjectCommand({ ...this.#at(key), ResponseContentType: contentType })
    return this.#ask(`sign for ${key}`, () => getSignedUrl(this.#client, get, { expiresIn: seconds }))
  }

  clockAheadMs(): number {
    return this.#clock.aheadMs
  }

  async probe(): Promise<void> {
    const at = this.#at('probe')
    const within = { answerMs: probeMs, attemptsCount: 1 }
    const put = new PutObjectCommand({ ...at, ...bodyOf('') })
    await this.#ask('probe', options => this.#client.send(put, options), within)
    await this.#ask('probe', options => this.#client.send(new DeleteObjectCommand(at), options), within)
  }

  async countUnfinished(): Promise<number> {
    let count = 0
    for await (const _upload of this.#unfinished('')) count += 1
    return count
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#client.destroy()
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
    const writer = randomUUID()
    const put = new PutObjectCommand({
      ...this.#at(key),
      ...this.#encryption,
      ...condition,
      ...bodyOf(text),
      Metadata: { writer }
    })
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        await this.#ask(`write ${key}`, options => this.#client.send(put, options))
        return true
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        if (error.failure === 'not-found') return false
        const { status, attemptsCount } = readFailure(error.cause)
        if (status === 412) return (attemptsCount > 1 || conflicts > 0) && this.#isWrittenBy(key, writer)
        if (status !== 409 || conflicts === maxConflicts) throw error
      }
    }
  }

  async #isWrittenBy(key: string, writer: string): Promise<boolean> {
    const head = new HeadObjectCommand(this.#at(key))
    const { Metadata } = await this.#ask(`look at ${key}`, options => this.#client.send(head, options))
    return Metadata?.['writer'] === writer
  }

  async #copyInParts(from: string, to: string, sizeBytes: number, longestBytes: number): Promise<void> {
    const target = this.#target(this.#at(to))
    const signal = new AbortController().signal
    const uploadId = await target.begin()
    try {
      const etags: string[] = []
      for (let start = 0; start < sizeBytes; start += longestBytes) {
        const part = {
          ...this.#at(to),
          UploadId: uploadId,
          PartNumber: etags.length + 1,
          CopySource: this.#sourceOf(from),
          CopySourceRange: `bytes=${start}-${Math.min(start + longestBytes, sizeBytes) - 1}`
        }
        const { CopyPartResult } = await this.#ask(
          `copy ${from}`,
          options => this.#client.send(new UploadPartCopyCommand(part), options),
          { answerMs: copyMs }
        )
        etags.push(String(CopyPartResult?.ETag))
      }
      await target.complete(uploadId, etags, signal)
    } catch (error) {
      await target.abort(uploadId)
      throw error
    }
  }

  #target(at: { readonly Bucket: string; readonly Key: string }): UploadTarget {
    const writer = randomUUID()
    const doing = `write ${at.Key}`
    return {
      putWhole: async (body, signal) => {
        const put = new PutObjectCommand({ ...at, ...this.#encryption, ...bodyOf(body) })
        await this.#ask(doing, options => this.#client.send(put, options), { signal })
      },
      begin: async () => {
        const begin = new CreateMultipartUploadCommand({ ...at, ...this.#encryption, Metadata: { writer } })
        const { UploadId } = await this.#ask(doing, options => this.#client.send(begin, options))
        return String(UploadId)
      },
      sendPart: async (UploadId, PartNumber, Body, signal) => {
        const part = new UploadPartCommand({ ...at, UploadId, PartNumber, Body })
        const within = { signal, answerMs: partMs }
        const { ETag } = await this.#ask(doing, options => this.#client.send(part, options), within)
        return String(ETag)
      },
      complete: async (UploadId, etags, signal) => {
        const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }))
        const complete = new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } })
        try {
          await this.#ask(doing, options => this.#client.send(complete, options), { signal })
        } catch (error) {
          // Asked for again because the answer got lost, it finds the upload gone.
          const isRepeated = error instanceof StorageError && readFailure(error.cause).code === 'NoSuchUpload'
          if (!isRepeated || !(await this.#isWrittenBy(at.Key.slice(this.#prefix.length), writer)))
            throw error
        }
      },
      abort: async UploadId => {
        const abort = new AbortMultipartUploadCommand({ ...at, UploadId })
        await this.#ask(doing, options => this.#client.send(abort, options)).catch(() => {})
      }
    }
  }

  async #deletePage(page: readonly { readonly Key: string }[]): Promise<void> {
    const Objects = page.map(({ Key }) => ({ Key }))
    const command = new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } })
    const { Errors = [] } = await this.#ask(`delete ${page.length} objects`, options =>
      this.#client.send(command, options)
    )
    const [first] = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
    if (first !== undefined) throw toStorageError({ name: first.Code }, `delete ${first.Key}`)
  }

  /** All uploads below a folder that were begun and not finished. */
  async *#unfinished(folder: string): AsyncGenerator<{ readonly Key: string; readonly UploadId: string }> {
    const start = this.#at(folder).Key
    const asked = this.#listsUploadsByPrefix ? start : ''
    let markers: Pick<ListMultipartUploadsRequest, 'KeyMarker' | 'UploadIdMarker'> | undefined = {}
    while (markers !== undefined) {
      const page: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
        Bucket: this.#bucket,
        Prefix: asked,
        ...markers
      })
      const found = await this.#ask(`list uploads in ${folder}`, options => this.#client.send(page, options))
      for (const { Key = '', UploadId = '' } of found.Uploads ?? []) {
        if (Key.startsWith(start)) yield { Key, UploadId }
      }
      const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = found
      const next = { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker }
      markers = IsTruncated === true ? next : undefined
    }
  }

  /** Begins an upload, looks whether its folder lists it, and gives it up. */
  async #tryUploadList(): Promise<boolean> {
    const folder = `probe-${randomUUID()}/`
    const target = this.#target(this.#at(`${folder}x`))
    const uploadId = await target.begin()
    try {
      for await (const _upload of this.#unfinished(folder)) return true
      return false
    } finally {
      await target.abort(uploadId)
    }
  }

  get #encryption() {
    const { encryption, kmsKeyId } = this.#settings
    return {
      ...(encryption === undefined ? {} : { ServerSideEncryption: encryption }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId })
    }
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    if (this.#isClosed) throw new StorageError('broken', `the store is closed: ${key}`)
    checkKey(key)
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  #sourceOf(key: string): string {
    const { Bucket, Key } = this.#at(key)
    return `${Bucket}/${encodeURI(Key)}`
  }

  /** Asks S3 for something; what it answers instead becomes an error of the contract, and the caller's abort stays one. */
  async #ask<Answer>(
    doing: string,
    ask: (options: { readonly abortSignal: AbortSignal; readonly requestTimeout: number }) => Promise<Answer>,
    { signal, answerMs = usualAnswerMs, attemptsCount = defaultAttempts }: Within = {}
  ): Promise<Answer> {
    const late = new AbortController()
    // An answer that stops in the middle has no other end.
    const timer = setTimeout(() => late.abort(), answerMs * attemptsCount)
    const abortSignal = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
    try {
      return await ask({ abortSignal, requestTimeout: answerMs })
    } catch (error) {
      throw signal?.aborted === true ? error : toStorageError(error, doing)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Without the length, the SDK takes an empty body for a stream. */
function bodyOf(bytes: string | Buffer) {
  return { Body: bytes, ContentLength: Buffer.byteLength(bytes) }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : 1
}
