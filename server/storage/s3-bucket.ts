import { HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { secondMs } from '../../shared/units.ts'
import { checkKey } from './check-key.ts'
import { createClient, defaultAttempts, type S3Settings } from './s3-client.ts'
import { toStorageError } from './s3-failure.ts'
import { StorageError } from './storage-driver.ts'
import type { StoreClock } from './store-clock.ts'

/** How long S3 may take to begin an answer, where nothing else is said. */
const usualAnswerMs = 10 * secondMs

/** What bounds one request. */
export interface Within {
  readonly signal?: AbortSignal
  /** How long S3 may take to begin its answer, each time that it is asked. */
  readonly answerMs?: number
  readonly attemptsCount?: number
}

/** How the SDK is to send a request. */
export interface SendOptions {
  readonly abortSignal: AbortSignal
  readonly requestTimeout: number
}

/** An object in S3, as every request names it. */
export interface S3Place {
  readonly Bucket: string
  readonly Key: string
}

/** What lies below a prefix of a bucket, and the way to ask for it. */
export class S3Bucket {
  readonly client: S3Client
  readonly clock: StoreClock
  readonly name: string
  readonly #settings: S3Settings
  /** Empty, or ends in `/`. */
  readonly #prefix: string
  #isClosed = false

  /** @param url `s3://bucket[/prefix]` */
  constructor(url: string, settings: S3Settings) {
    const { hostname, pathname } = new URL(url)
    const prefix = pathname.replace(/^\/+|\/+$/g, '')
    const { client, clock } = createClient(settings)
    this.client = client
    this.clock = clock
    this.name = hostname
    this.#settings = settings
    this.#prefix = prefix === '' ? '' : `${prefix}/`
  }

  /** What every request that makes an object has to say. */
  get encryption() {
    const { encryption, kmsKeyId } = this.#settings
    return {
      ...(encryption === undefined ? {} : { ServerSideEncryption: encryption }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId })
    }
  }

  /** @throws StorageError when it is no key of the store's, or the store is closed */
  at(key: string): S3Place {
    if (this.#isClosed) throw new StorageError('broken', `the store is closed: ${key}`)
    checkKey(key)
    return { Bucket: this.name, Key: this.#prefix + key }
  }

  /** Where a copy is made from. */
  sourceOf(key: string): string {
    const { Bucket, Key } = this.at(key)
    return `${Bucket}/${encodeURI(Key)}`
  }

  /** Asks S3 for something; what it answers instead becomes an error of the contract, and the caller's abort stays one. */
  async ask<Answer>(
    doing: string,
    ask: (client: S3Client, options: SendOptions) => Promise<Answer>,
    { signal, answerMs = usualAnswerMs, attemptsCount = defaultAttempts }: Within = {}
  ): Promise<Answer> {
    const late = new AbortController()
    // An answer that stops in the middle has no other end.
    const timer = setTimeout(() => late.abort(), answerMs * attemptsCount)
    const abortSignal = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
    try {
      return await ask(this.client, { abortSignal, requestTimeout: answerMs }).catch(error => {
        throw signal?.aborted === true ? error : toStorageError(error, doing)
      })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Whether the object that is there now was written by the request that called itself so. */
  async isWrittenBy(place: S3Place, writer: string): Promise<boolean> {
    const head = new HeadObjectCommand(place)
    const { Metadata } = await this.ask(`look at ${place.Key}`, (client, options) =>
      client.send(head, options)
    )
    return Metadata?.['writer'] === writer
  }

  close(): void {
    this.#isClosed = true
    this.client.destroy()
  }
}

/** Without the length, the SDK takes an empty body for a stream. */
export function bodyOf(bytes: string | Buffer) {
  return { Body: bytes, ContentLength: Buffer.byteLength(bytes) }
}
