import { bundlesPath, entryPath, manifestPath } from '../../shared/paths.ts'
import { formatBytes, formatDuration, secondMs } from '../../shared/units.ts'
import { ClientError, describe, usageError } from '../client-error.ts'
import { type Asked, isSuccess, type RawAnswer, refusal, type StageServer } from '../http-client.ts'
import type { BundleName } from '../option-values.ts'
import { parseEntries, parseJson, parseList } from '../server-answer.ts'
import type { Finding } from './examination.ts'

/** What the server's first answer tells beside its status. */
export interface Alive {
  /** The server's clock minus this machine's, milliseconds; undefined when the answer has no date. */
  readonly aheadMs: number | undefined
}

/** Clocks may differ so much; a `Date` header alone is up to a second late. */
const clockLimitMs = 60 * secondMs

/** Whether a server of this kind answers. @throws ClientError, RetryableError */
export async function checkAlive(server: StageServer, signal: AbortSignal): Promise<Finding<Alive>> {
  const askedAtMs = Date.now()
  const answer = await server.ask({ method: 'GET', path: '/livez' }, signal)
  const nowMs = (askedAtMs + Date.now()) / 2
  if (!isSuccess(answer)) throw refusal(answer)
  if (field(answer, 'status') !== 'live') {
    const todo = 'Check --server: something else answers there.'
    const expected = '{"status":"live"} from /livez'
    throw new ClientError('refused', describe('this is no spark-stage server', { expected, todo }))
  }
  const aheadMs = Date.parse(String(answer.headers['date'])) - nowMs
  const found = { aheadMs: Number.isNaN(aheadMs) ? undefined : aheadMs }
  return { found, message: 'a spark-stage server answers' }
}

const reasons: Readonly<Record<string, string>> = {
  storeWritable: 'its store cannot be written',
  keyPresent: 'it has no key to sign tokens with',
  stopping: 'it is stopping'
}

/** Whether the server says that it can work. @throws ClientError, RetryableError */
export async function checkReady(server: StageServer, signal: AbortSignal): Promise<Finding<undefined>> {
  const answer = await server.ask({ method: 'GET', path: '/readyz' }, signal)
  if (isSuccess(answer)) return { found: undefined, message: 'it can take and give files' }
  const failed = field(answer, 'failed')
  if (!Array.isArray(failed)) throw refusal(answer)
  const why = failed.map(name => reasons[String(name)] ?? JSON.stringify(name)).join(', ')
  const todo = 'Tell the operator; the log of the server has the cause.'
  throw new ClientError('gaveUp', describe(`the server is not ready: ${why}`, { todo }))
}

/** Whether both machines mean the same time. @throws ClientError (usage) */
export function checkClock({ aheadMs }: Alive): Finding<undefined> {
  if (aheadMs === undefined) {
    return { found: undefined, message: 'unknown', warning: 'the answer of the server has no Date header' }
  }
  const apart = formatDuration(Math.abs(aheadMs))
  if (Math.abs(aheadMs) < clockLimitMs) {
    return { found: undefined, message: `less than ${formatDuration(clockLimitMs)} apart` }
  }
  const direction = aheadMs > 0 ? 'behind' : 'ahead of'
  throw usageError(
    describe(`the clock of this machine is ${apart} ${direction} that of the server`, {
      expected: `less than ${formatDuration(clockLimitMs)} apart`,
      todo: 'Let both machines set their clocks by NTP; certificates and ends of leases go by them.'
    })
  )
}

/**
 * Whether the credential is known and good for the namespace.
 *
 * @param credential a secret; absent for a server with upload identity `none`
 * @throws ClientError, RetryableError
 */
export async function checkCredential(
  server: StageServer,
  namespace: string,
  credential: string | undefined,
  signal: AbortSignal
): Promise<Finding<undefined>> {
  const path = `${bundlesPath(namespace)}?limit=1`
  parseList(await askFor(server, { method: 'GET', path, token: credential }, signal), '')
  const who = credential === undefined ? 'everyone' : 'the credential'
  return { found: undefined, message: `${who} may use namespace ${namespace}` }
}

/**
 * Whether the download token opens the bundle, and bytes come.
 *
 * @param token a secret
 * @throws ClientError, RetryableError
 */
export async function checkBundle(
  server: StageServer,
  { namespace, bundleId }: BundleName,
  token: string,
  signal: AbortSignal
): Promise<Finding<undefined>> {
  const manifest = await askFor(
    server,
    { method: 'GET', path: manifestPath(namespace, bundleId), token },
    signal
  )
  const entries = parseEntries(manifest, namespace, bundleId)
  const sizeBytes = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0)
  const first = entries.find(entry => entry.sizeBytes > 0)
  if (first !== undefined) {
    const headers = { range: 'bytes=0-0', 'accept-encoding': 'identity' }
    const path = entryPath(namespace, bundleId, first.path)
    await askFor(server, { method: 'GET', path, headers, token }, signal)
  }
  const count = entries.length === 1 ? '1 entry' : `${entries.length} entries`
  const message = `the token opens it: ${count}, ${formatBytes(sizeBytes)}`
  return { found: undefined, message }
}

async function askFor(server: StageServer, asked: Asked, signal: AbortSignal): Promise<unknown> {
  const answer = await server.ask(asked, signal)
  if (isSuccess(answer)) return parseJson(answer.text)
  throw refusal(answer)
}

/** A field of an answer in JSON; undefined when there is none. */
function field(answer: RawAnswer, name: string): unknown {
  const json = parseJson(answer.text)
  return typeof json === 'object' && json !== null ? Reflect.get(json, name) : undefined
}
