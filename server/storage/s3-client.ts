import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { secondMs } from '../../shared/units.ts'
import { retryEach } from './s3-retries.ts'
import { StoreClock } from './store-clock.ts'

/** Where a bucket is, and as whom to use it. What is left out comes from the SDK's own chain. */
export interface S3Settings {
  /** `http(s)://host[:port]` of a service other than AWS's. */
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  /** Whether the bucket is the first part of the path, and not of the host's name. */
  readonly isPathStyle?: boolean | undefined
  readonly encryption?: 'AES256' | 'aws:kms' | undefined
  readonly kmsKeyId?: string | undefined
  readonly credentials?: S3ClientConfig['credentials']
  /** Bytes that S3 copies in one request, when it is fewer than AWS does. */
  readonly longestCopyBytes?: number
  /** How often one request is tried; by default as often as it takes to get through some throttling. */
  readonly maxAttempts?: number
}

/** A store that throttles half of all requests for a while is waited for. */
export const defaultAttempts = 5

/** A client for one bucket, and what its answers tell about the time. */
export function createClient(settings: S3Settings): {
  readonly client: S3Client
  readonly clock: StoreClock
} {
  const clock = new StoreClock()
  // Who may come in is bounded elsewhere; a bound here would let small requests wait behind long downloads.
  const agents = { keepAlive: true, maxSockets: Number.POSITIVE_INFINITY }
  const client = new S3Client({
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(settings.credentials === undefined ? {} : { credentials: settings.credentials }),
    forcePathStyle: settings.isPathStyle ?? false,
    retryStrategy: retryEach(settings.maxAttempts ?? defaultAttempts),
    // Every body is signed with its SHA-256, which S3 checks; another sum would only cost time.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: {
      httpAgent: new HttpAgent(agents),
      httpsAgent: new HttpsAgent(agents),
      connectionTimeout: 3 * secondMs,
      throwOnRequestTimeout: true,
      // A download waits for its reader, who may be slow.
      socketTimeout: 0
    }
  })
  client.middlewareStack.add(
    next => async args => {
      const sentMs = Date.now()
      const output = await next(args)
      clock.learn(output.response, sentMs, Date.now())
      return output
    },
    { step: 'finalizeRequest', priority: 'low', name: 'learnTime' }
  )
  return { client, clock }
}
