import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Type, { type Static } from 'typebox'
import { isLoopback } from '../shared/loopback.ts'
import { checkNamespace } from '../shared/names.ts'
import { GiB } from '../shared/units.ts'
import { type AccessRule, parseAccessRule } from './identity/access-rule.ts'
import { readEnvironment } from './read-environment.ts'
import { checkStoreUrl, type S3Settings } from './storage/open-storage.ts'
import { parseProxies } from './trusted-proxies.ts'

const day = 86_400

const flag = (description: string) => Type.Boolean({ default: false, description })
const text = (description: string) => Type.String({ minLength: 1, description })
const seconds = (value: number, minimum: number, description: string, maximum = 10 * 365 * day) =>
  Type.Integer({ default: value, minimum, maximum, description })
const bytes = (description: string) => Type.Optional(Type.Integer({ minimum: 1, description }))
const count = (value: number, minimum: number, description: string) =>
  Type.Integer({ default: value, minimum, maximum: 1_000_000, description })

/** Every variable of the server. `docs/configuration.md` is held equal to this table by a test. */
export const configSchema = Type.Object({
  SPARK_STAGE_HOST: Type.String({ default: '127.0.0.1', description: 'Address to listen on.' }),
  SPARK_STAGE_PORT: Type.Integer({
    default: 10_000,
    minimum: 0,
    maximum: 65_535,
    description: 'Port to listen on; 0 takes a free one.'
  }),
  SPARK_STAGE_STORE: Type.Optional(
    text(
      'Where everything is kept: file:///path, or s3://bucket/prefix; by default .spark-stage below the working directory.'
    )
  ),
  SPARK_STAGE_S3_ENDPOINT: Type.Optional(
    text('Where S3 is, as http(s)://host:port, when it is not that of AWS.')
  ),
  SPARK_STAGE_S3_REGION: Type.Optional(
    text("Region of the bucket; by default that of the AWS SDK's own variables and files.")
  ),
  SPARK_STAGE_S3_FORCE_PATH_STYLE: flag(
    "Puts the bucket into the path of a URL, and not into the host's name."
  ),
  SPARK_STAGE_S3_ENCRYPTION: Type.Optional(
    Type.Union([Type.Literal('AES256'), Type.Literal('aws:kms')], {
      description: 'Asks S3 to encrypt what is stored, as AES256 (SSE-S3) or aws:kms (SSE-KMS).'
    })
  ),
  SPARK_STAGE_S3_KMS_KEY_ID: Type.Optional(
    text("Id or ARN of the key for aws:kms; by default the account's own for S3.")
  ),
  SPARK_STAGE_S3_REDIRECT: flag(
    'Sends downloads to the bucket itself, by URLs that open one file for 120 seconds: pods must reach it.'
  ),
  SPARK_STAGE_INSTANCE: Type.String({
    default: 'spark-stage',
    pattern: '^[\\x21-\\x7e]{1,255}$',
    description: 'Name of this instance: the audience of its download tokens, the same on all its replicas.'
  }),
  SPARK_STAGE_SIGNING_KEYS_DIR: Type.Optional(
    text(
      'Directory of signing keys, one file of at least 32 bytes a key; on loopback one is made in the store.'
    )
  ),
  SPARK_STAGE_KEY_ACTIVATION_SECONDS: seconds(
    300,
    0,
    'How long a new signing key must have been seen before it signs.'
  ),
  SPARK_STAGE_UPLOAD_AUTH: Type.Union(
    [Type.Literal('tokens'), Type.Literal('kubernetes'), Type.Literal('none')],
    {
      default: 'tokens',
      description:
        'Who may upload: the holders of the credentials in a tokens file, of Kubernetes tokens, or everyone (none).'
    }
  ),
  SPARK_STAGE_UPLOAD_TOKENS_FILE: Type.Optional(
    text('File with the SHA-256, principal and namespaces of each upload credential; needed by tokens.')
  ),
  SPARK_STAGE_KUBERNETES_ACCESS: Type.String({
    default: 'create pods',
    description:
      'With kubernetes: verb and resource[.group] that an uploader must be allowed in the namespace.'
  }),
  SPARK_STAGE_WATCH_NAMESPACES: Type.Optional(
    text('Namespaces whose pods keep their bundles, separated by commas, or * for all; none when unset.')
  ),
  SPARK_STAGE_GRACE_SECONDS: seconds(
    3600,
    0,
    'How long a bundle stays after the last of its pods has ended, where they are watched.'
  ),
  SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS: flag('Allows none on an address that others can reach.'),
  SPARK_STAGE_ALLOW_PLAINTEXT: flag(
    'Allows credentials over plain http on an address that others can reach.'
  ),
  SPARK_STAGE_TLS_CERT_FILE: Type.Optional(
    text('PEM file with the certificate and its chain: with it and its key, the server speaks https only.')
  ),
  SPARK_STAGE_TLS_KEY_FILE: Type.Optional(text('PEM file with the private key of the certificate.')),
  SPARK_STAGE_TRUSTED_PROXIES: Type.Optional(
    text(
      'Addresses and CIDR ranges of proxies whose X-Forwarded headers count, separated by commas; none when unset.'
    )
  ),
  SPARK_STAGE_V0: flag(
    'Opens the door for clients of the apache-spark-on-k8s fork, which have no credential.'
  ),
  SPARK_STAGE_V0_NAMESPACES: Type.Optional(
    text('Namespaces that the fork may stage into, separated by commas; all of them when unset.')
  ),
  SPARK_STAGE_MAX_UPLOAD_BYTES: Type.Integer({
    default: 2 * GiB,
    minimum: 1,
    description: 'Largest bundle, in bytes.'
  }),
  SPARK_STAGE_NAMESPACE_QUOTA_BYTES: bytes(
    'How many bytes the bundles of one namespace may hold; no bound when unset.'
  ),
  SPARK_STAGE_MAX_STORE_BYTES: bytes('How many bytes all bundles may hold; no bound when unset.'),
  SPARK_STAGE_LEASE_SECONDS: seconds(7 * day, 1, 'How long a bundle stays after its commit or last renewal.'),
  SPARK_STAGE_DRAFT_LEASE_SECONDS: seconds(3600, 1, 'How long a draft stays after its last byte.'),
  SPARK_STAGE_MAX_BUNDLE_AGE_SECONDS: seconds(
    365 * day,
    1,
    'How long a bundle can be renewed, and its tokens last.'
  ),
  SPARK_STAGE_SWEEP_INTERVAL_SECONDS: seconds(60, 1, 'How often expired bundles are looked for and removed.'),
  SPARK_STAGE_MAX_ACTIVE_DOWNLOADS: count(64, 1, 'How many downloads send bytes at the same time.'),
  SPARK_STAGE_MAX_QUEUED_DOWNLOADS: count(
    2048,
    0,
    'How many more downloads wait for their turn; beyond them clients are told to come again.'
  ),
  SPARK_STAGE_IDLE_SECONDS: seconds(
    60,
    1,
    'Over how long a client must have moved 1 KiB for each second; a slower one is cut off.',
    day
  ),
  SPARK_STAGE_DRAIN_SECONDS: seconds(25, 0, 'How long running transfers may take to end after SIGTERM.'),
  SPARK_STAGE_LOG_LEVEL: Type.Union(
    [Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')],
    { default: 'info', description: 'Least severe log lines to write.' }
  )
})

/** The checked environment, with what has no fixed default filled in. */
export type Config = Readonly<Static<typeof configSchema>> & { readonly SPARK_STAGE_STORE: string }

/**
 * Reads and checks the environment once.
 *
 * @throws Error that names every bad variable, or what is unsafe about the combination and how to mend it
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const config = readConfig(env)
  refuseUnsafe(config)
  return Object.freeze(config)
}

/** Where a store is, and how to reach it where it is not a folder. */
export interface StorePlace {
  readonly url: string
  readonly s3: S3Settings
}

/** The store, for a command that serves nothing. @throws Error that names every bad variable */
export function loadStorePlace(env: NodeJS.ProcessEnv = process.env): StorePlace {
  return storePlace(readConfig(env))
}

/** A store that a flag of a command names. @throws Error that names the flag, or every bad variable */
export function namedStorePlace(flag: string, url: string, env: NodeJS.ProcessEnv = process.env): StorePlace {
  checkStoreUrl(url, flag)
  return { ...loadStorePlace(env), url: url.replace(/\/+$/, '') }
}

/** Where the store of a checked configuration is. */
export function storePlace(config: Config): StorePlace {
  return {
    url: config.SPARK_STAGE_STORE,
    s3: {
      endpoint: config.SPARK_STAGE_S3_ENDPOINT,
      region: config.SPARK_STAGE_S3_REGION,
      isPathStyle: config.SPARK_STAGE_S3_FORCE_PATH_STYLE,
      encryption: config.SPARK_STAGE_S3_ENCRYPTION,
      kmsKeyId: config.SPARK_STAGE_S3_KMS_KEY_ID
    }
  }
}

function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(isGiven))
  const checked = readEnvironment(configSchema, given)
  if (checked.SPARK_STAGE_STORE !== undefined) checkStoreUrl(checked.SPARK_STAGE_STORE)
  checkS3(checked)
  return { ...checked, SPARK_STAGE_STORE: checked.SPARK_STAGE_STORE ?? defaultStore() }
}

function checkS3(checked: Static<typeof configSchema>): void {
  const endpoint = checked.SPARK_STAGE_S3_ENDPOINT
  if (endpoint !== undefined && !/^https?:\/\/[^/?#@\s]+\/?$/.test(endpoint)) {
    // It may have a password in it.
    throw new Error('SPARK_STAGE_S3_ENDPOINT: expected http(s)://host:port and nothing else')
  }
  if (checked.SPARK_STAGE_S3_KMS_KEY_ID !== undefined && checked.SPARK_STAGE_S3_ENCRYPTION !== 'aws:kms') {
    throw new Error('SPARK_STAGE_S3_KMS_KEY_ID needs SPARK_STAGE_S3_ENCRYPTION=aws:kms')
  }
}

/** The namespaces that the fork's clients may stage into; undefined means all. @throws StagingError for a bad one */
export function v0Namespaces(config: Config): readonly string[] | undefined {
  return config.SPARK_STAGE_V0_NAMESPACES?.split(',').map(namespace => checkNamespace(namespace.trim()))
}

/** What an uploader must be allowed to do in a namespace. @throws Error that names the variable */
export function kubernetesAccess({ SPARK_STAGE_KUBERNETES_ACCESS: access }: Config): AccessRule {
  try {
    return parseAccessRule(access)
  } catch (cause) {
    throw new Error(`SPARK_STAGE_KUBERNETES_ACCESS: ${(cause as Error).message}`, { cause })
  }
}

/** Where owners are looked after; undefined for nowhere. @throws Error that names the variable */
export function watchedNamespaces(config: Config): '*' | readonly string[] | undefined {
  const namespaces = config.SPARK_STAGE_WATCH_NAMESPACES?.trim()
  if (namespaces === undefined || namespaces === '*') return namespaces
  try {
    return [...new Set(namespaces.split(',').map(namespace => checkNamespace(namespace.trim())))]
  } catch (cause) {
    throw new Error(`SPARK_STAGE_WATCH_NAMESPACES: ${(cause as Error).message}`, { cause })
  }
}

/** The proxies whose forwarded headers count. @throws Error that names the variable */
export function trustedProxies({ SPARK_STAGE_TRUSTED_PROXIES: proxies }: Config): readonly string[] {
  try {
    return proxies === undefined ? [] : parseProxies(proxies)
  } catch (cause) {
    throw new Error(`SPARK_STAGE_TRUSTED_PROXIES: ${(cause as Error).message}`, { cause })
  }
}

/** Where the server's certificate and key are; undefined for one that speaks plain http. */
export function certificateFiles(config: Config): { certFile: string; keyFile: string } | undefined {
  const { SPARK_STAGE_TLS_CERT_FILE: certFile, SPARK_STAGE_TLS_KEY_FILE: keyFile } = config
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile }
}

function defaultStore(): string {
  return pathToFileURL(join(process.cwd(), '.spark-stage')).href
}

/**
 * An empty variable is an unset one. So is `SPARK_STAGE_PORT=tcp://…`: Kubernetes sets that in every pod beside a
 * Service named spark-stage.
 */
function isGiven([, value]: readonly [string, string | undefined]): boolean {
  return value !== undefined && value !== '' && !value.startsWith('tcp://')
}

function refuseUnsafe(config: Config): void {
  const isNone = config.SPARK_STAGE_UPLOAD_AUTH === 'none'
  kubernetesAccess(config)
  watchedNamespaces(config)
  if (config.SPARK_STAGE_UPLOAD_AUTH === 'tokens' && config.SPARK_STAGE_UPLOAD_TOKENS_FILE === undefined) {
    throw new Error(
      'SPARK_STAGE_UPLOAD_AUTH=tokens needs SPARK_STAGE_UPLOAD_TOKENS_FILE (or, on loopback, set it to none)'
    )
  }
  checkV0Namespaces(config)
  trustedProxies(config)
  const isTls = certificateFiles(config) !== undefined
  if (!isTls && (config.SPARK_STAGE_TLS_CERT_FILE ?? config.SPARK_STAGE_TLS_KEY_FILE) !== undefined) {
    throw new Error('SPARK_STAGE_TLS_CERT_FILE and SPARK_STAGE_TLS_KEY_FILE need each other')
  }
  if (config.SPARK_STAGE_STORE.startsWith('s3:') && config.SPARK_STAGE_SIGNING_KEYS_DIR === undefined) {
    throw new Error(
      'SPARK_STAGE_STORE is in S3, where every server needs the same keys: ' +
        'set SPARK_STAGE_SIGNING_KEYS_DIR to a directory with a signing key'
    )
  }
  if (config.SPARK_STAGE_S3_REDIRECT && !config.SPARK_STAGE_STORE.startsWith('s3:')) {
    throw new Error(
      'SPARK_STAGE_S3_REDIRECT=true needs a SPARK_STAGE_STORE in S3: nobody else reaches a folder'
    )
  }
  if (isLoopback(config.SPARK_STAGE_HOST)) return
  const where = `SPARK_STAGE_HOST=${config.SPARK_STAGE_HOST} is not loopback`
  if (isNone && !config.SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS) {
    throw new Error(
      `${where}: SPARK_STAGE_UPLOAD_AUTH=none would let everyone upload code; ` +
        'use tokens, or set SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS=true'
    )
  }
  if (config.SPARK_STAGE_V0) refuseOpenV0(config, where)
  if (!isTls && !config.SPARK_STAGE_ALLOW_PLAINTEXT) {
    throw new Error(
      `${where}: credentials would cross the network in plain text; ` +
        'set SPARK_STAGE_TLS_CERT_FILE and SPARK_STAGE_TLS_KEY_FILE, ' +
        'or put TLS in front and set SPARK_STAGE_ALLOW_PLAINTEXT=true'
    )
  }
  if (config.SPARK_STAGE_SIGNING_KEYS_DIR === undefined) {
    throw new Error(`${where}: set SPARK_STAGE_SIGNING_KEYS_DIR to a directory with a signing key`)
  }
}

/** The fork's clients have no credential: where others can reach the server, that must be meant, and have its bounds. */
function refuseOpenV0(config: Config, where: string): void {
  if (config.SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS && config.SPARK_STAGE_V0_NAMESPACES !== undefined) return
  throw new Error(
    `${where}: SPARK_STAGE_V0=true would let everyone upload code; ` +
      'set SPARK_STAGE_ALLOW_ANONYMOUS_UPLOADS=true and SPARK_STAGE_V0_NAMESPACES'
  )
}

function checkV0Namespaces(config: Config): void {
  try {
    v0Namespaces(config)
  } catch (cause) {
    throw new Error(`SPARK_STAGE_V0_NAMESPACES: ${(cause as Error).message}`, { cause })
  }
}
