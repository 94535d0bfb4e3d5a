import { randomBytes } from 'node:crypto'
import { chmod, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import { onceCached } from '../../cluster/once-cached.ts'
import { cacheFolder } from '../../cluster/paths.ts'
import { runCommand } from '../../cluster/run-command.ts'
import { freePort } from './free-port.ts'
import { keepSecret } from './secrets.ts'
import { type Running, type Scope, startProcess } from './start-process.ts'
import { testFolder } from './test-folder.ts'

/** There are no releases to install from source any more: the commit of February 2026. */
const version = 'v0.0.0-20260212201848-7aac2a2c5b7c'

const buildMs = 30 * 60_000
const startMs = 60_000

/** A real S3 store on loopback. */
export interface Minio {
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** What a server's process needs to use it, but the bucket. */
  readonly env: Readonly<Record<string, string>>
  readonly client: S3Client
  readonly pid: number
  /** @returns the name of a new bucket */
  makeBucket(): Promise<string>
  /** Ends it with SIGKILL; what it has answered stays. */
  stop(): Promise<void>
  /** Starts it again, where it was. */
  start(): Promise<void>
}

/** The path of MinIO's server, built from source when the cache lacks it: two to four minutes. */
export function minioProgram(): Promise<string> {
  return onceCached(join(cacheFolder, `minio-${version}`, 'minio'), async draft => {
    const bin = `${draft}-bin`
    await mkdir(bin, { recursive: true })
    const env = { GOBIN: bin, CGO_ENABLED: '0' }
    await runCommand('go', ['install', `github.com/minio/minio@${version}`], { env, timeoutMs: buildMs })
    await rename(join(bin, 'minio'), draft)
    await chmod(draft, 0o755)
  })
}

/** Starts MinIO over a new folder, until the end of the test. */
export function startMinio(t: Test): Promise<Minio> {
  return startMinioIn(t, testFolder(t))
}

/** Starts MinIO over an empty folder. */
export async function startMinioIn(t: Scope, folder: string): Promise<Minio> {
  const program = await minioProgram()
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const credentials = {
    accessKeyId: randomBytes(10).toString('hex'),
    secretAccessKey: randomBytes(20).toString('hex')
  }
  keepSecret(credentials.secretAccessKey)
  const region = 'us-east-1'
  const client = new S3Client({
    ...{ endpoint, region, credentials, forcePathStyle: true },
    // Else a signed URL would only take the sum of no bytes.
    requestChecksumCalculation: 'WHEN_REQUIRED'
  })
  t.teardown(() => client.destroy())
  let running: Running | undefined
  const start = async () => {
    running = startProcess(t, program, ['server', folder, '--address', `127.0.0.1:${port}`], {
      env: { MINIO_ROOT_USER: credentials.accessKeyId, MINIO_ROOT_PASSWORD: credentials.secretAccessKey }
    })
    await untilReady(`${endpoint}/minio/health/ready`, running)
  }
  await start()
  let bucketsCount = 0
  return {
    endpoint,
    credentials,
    client,
    env: {
      SPARK_STAGE_S3_ENDPOINT: endpoint,
      SPARK_STAGE_S3_REGION: region,
      SPARK_STAGE_S3_FORCE_PATH_STYLE: 'true',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey
    },
    get pid() {
      return running?.child.pid ?? 0
    },
    async makeBucket() {
      bucketsCount += 1
      const bucket = `bucket-${bucketsCount}`
      await client.send(new CreateBucketCommand({ Bucket: bucket }))
      return bucket
    },
    async stop() {
      await running?.kill('SIGKILL')
    },
    start
  }
}

async function untilReady(url: string, { ended }: Running): Promise<void> {
  const patience = AbortSignal.timeout(startMs)
  let end: string | undefined
  void ended.then(({ stderr, stdout }) => {
    end = stdout + stderr
  })
  while (true) {
    if (end !== undefined) throw new Error(`MinIO ended: ${end}`)
    patience.throwIfAborted()
    const answer = await fetch(url, { signal: patience }).catch(() => undefined)
    if (answer?.ok === true) return
    await setTimeout(50)
  }
}
