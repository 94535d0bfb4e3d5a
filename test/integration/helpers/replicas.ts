import { join } from 'node:path'
import { GetObjectCommand, paginateListObjectsV2 } from '@aws-sdk/client-s3'
import type { Test } from 'tap'
import type { Ledger } from '../../../server/staging/usage.ts'
import { bucketKeys } from '../../helpers/bucket-keys.ts'
import { startBalancer } from './balancer.ts'
import { freePort } from './free-port.ts'
import type { Minio } from './minio.ts'
import { outsideFolder } from './outside-folder.ts'
import { type Command, makeHome, repositoryPath, type StageProcess, startStage } from './programs.ts'

const replicasCount = 3

/** Where in its bucket the servers' store lies. */
const prefix = 'stage'

export interface ReplicasOptions {
  readonly env?: Readonly<Record<string, string>>
  /** For one of them only, by its place. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>
  /** What runs instead of plain Node with the server. */
  readonly commandOf?: (index: number) => Command
  /** MinIO's own by default; else a proxy before it. */
  readonly endpoint?: string
}

/** Servers over one bucket, with the tests' own credentials, and nginx before them. */
export interface Replicas {
  /** Of nginx. */
  readonly url: string
  /** Those that run now, or ran last. */
  readonly servers: readonly StageProcess[]
  readonly credentialFile: string
  /** Folder of the test. */
  readonly home: string
  /** What a program needs to open the store by itself. */
  readonly storeEnv: Readonly<Record<string, string>>
  /** Ends one with SIGKILL. */
  kill(index: number): Promise<void>
  /** Starts one again, where it was. */
  restart(index: number): Promise<void>
  /** The most memory that any of them ever had, in bytes. */
  peakBytes(): Promise<number>
  /** Everything in the bucket, and every upload there that was not finished. */
  keys(): Promise<readonly string[]>
  /** The text of an object; undefined when there is none. */
  read(key: string): Promise<string | undefined>
  /** How many bytes there are in the bucket under each key. */
  sizes(): Promise<ReadonlyMap<string, number>>
  /** What namespaces hold and have reserved, as the store counts it. */
  ledger(): Promise<Ledger>
}

/** Starts three servers, until the end of the test. */
export async function startReplicas(
  t: Test,
  minio: Minio,
  { env = {}, envOf = () => ({}), commandOf = () => server, endpoint }: ReplicasOptions = {}
): Promise<Replicas> {
  const home = await makeHome(await outsideFolder(t))
  const bucket = await minio.makeBucket()
  const storeEnv = {
    ...minio.env,
    ...(endpoint === undefined ? {} : { SPARK_STAGE_S3_ENDPOINT: endpoint }),
    SPARK_STAGE_STORE: `s3://${bucket}/${prefix}`
  }
  const ports = await Promise.all(Array.from({ length: replicasCount }, freePort))
  const started: StageProcess[] = []
  const start = (index: number) =>
    startStage(t, {
      home,
      command: commandOf(index),
      port: ports[index] ?? 0,
      env: { SPARK_STAGE_LOG_LEVEL: 'info', ...storeEnv, ...env, ...envOf(index) }
    })
  const servers = await Promise.all(ports.map((_port, index) => start(index)))
  started.push(...servers)
  const read = async (key: string) => {
    const get = new GetObjectCommand({ Bucket: bucket, Key: `${prefix}/${key}` })
    const answer = await minio.client.send(get).catch((error: Error) => {
      if (error.name === 'NoSuchKey') return undefined
      throw error
    })
    return answer?.Body?.transformToString()
  }
  const url = await startBalancer(t, join(home, 'nginx'), ports)
  return {
    url,
    servers,
    credentialFile: join(home, 'credential'),
    home,
    storeEnv,
    async kill(index) {
      await servers[index]?.kill('SIGKILL')
    },
    async restart(index) {
      servers[index] = await start(index)
      started.push(servers[index])
    },
    async peakBytes() {
      return Math.max(...(await Promise.all(started.map(one => one.peakBytes()))))
    },
    keys: () => bucketKeys(minio.client, bucket, `${prefix}/`),
    async sizes() {
      const pages = paginateListObjectsV2({ client: minio.client }, { Bucket: bucket })
      const sizes = new Map<string, number>()
      for await (const { Contents = [] } of pages) {
        for (const { Key = '', Size = 0 } of Contents) sizes.set(Key, Size)
      }
      return sizes
    },
    read,
    async ledger() {
      return JSON.parse((await read('usage.json')) ?? '{"held":{},"open":{}}')
    }
  }
}

const server: Command = [process.execPath, repositoryPath('server/main.ts')]
