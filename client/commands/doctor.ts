import { type ExitCause, exitCodes } from '../../shared/exit-codes.ts'
import { secondMs } from '../../shared/units.ts'
import { checkCluster, checkLeftovers, checkService, checkServiceAccount } from '../doctor/check-cluster.ts'
import { checkAuthorities, checkSecretFile } from '../doctor/check-files.ts'
import { checkCertificate, checkConnection, checkName, endpointOf } from '../doctor/check-network.ts'
import { checkAlive, checkBundle, checkClock, checkCredential, checkReady } from '../doctor/check-server.ts'
import { type CheckLine, type CheckState, Examination, given, type Outcome } from '../doctor/examination.ts'
import { StageServer } from '../http-client.ts'
import { type DoctorOptions, refusePlaintext, serverName } from '../options.ts'
import { isRich } from '../report.ts'
import { type OpenCluster, openKubernetes } from '../server-options.ts'
import { serverPlace } from '../server-place.ts'
import type { JobCluster } from '../submit/job-cluster.ts'

/** What `doctor --json` prints. */
export interface DoctorResult {
  /** 0, or that of the first failed check. */
  readonly exitCode: number
  readonly checks: readonly CheckLine[]
}

/** How long one answer may take. */
const answerMs = 10 * secondMs

/**
 * Checks all that lies between this machine and a server, each thing only when those before it that it needs are
 * right. Nothing is changed anywhere.
 *
 * @param read the options, which are the first to be checked
 * @param onLine told of each check at once
 * @throws the signal's reason
 */
export async function doctor(
  read: () => DoctorOptions,
  onLine: (line: CheckLine) => void,
  signal: AbortSignal,
  openCluster: OpenCluster = openKubernetes
): Promise<DoctorResult> {
  const examination = new Examination(onLine)
  const options = await examination.check('options', [], () => {
    const found = read()
    return { found, message: describeOptions(found) }
  })
  if (options.passed) await examine(examination, options.found, openCluster, signal)
  const checks = examination.lines
  const cause: ExitCause = checks.find(({ exitCause }) => exitCause !== undefined)?.exitCause ?? 'ok'
  return { exitCode: exitCodes[cause].code, checks }
}

/** How the states of checks are shown. */
export type Marks = Readonly<Record<CheckState, string>>

const plainMarks: Marks = { passed: 'ok  ', warned: 'warn', failed: 'FAIL', skipped: 'skip' }

const richMarks: Marks = {
  passed: '\u001b[32m✓\u001b[39m',
  warned: '\u001b[33m!\u001b[39m',
  failed: '\u001b[31m✗\u001b[39m',
  skipped: '\u001b[90m·\u001b[39m'
}

/** Signs and colours for a terminal; ASCII for logs, and for people who want no colours. */
export function chooseMarks(isTerminal: boolean | undefined, noColor: string | undefined): Marks {
  return isRich(isTerminal, noColor) ? richMarks : plainMarks
}

/** One check for people. */
export function describeCheck({ check, state, message }: CheckLine, marks: Marks): string {
  return `${marks[state]} ${check.padEnd(14)}  ${message.replaceAll('\n', '\n    ')}`
}

async function examine(
  examination: Examination,
  options: DoctorOptions,
  openCluster: OpenCluster,
  signal: AbortSignal
): Promise<void> {
  const { server, proxy, namespace, download, caFile } = options
  const place = serverPlace(server.href)
  const cluster = await optional(place.type === 'service' ? openCluster : undefined, open =>
    examination.check('cluster', [], () => checkCluster(open, options.environment))
  )
  const credential = await examineCredential(examination, options, cluster, signal)
  const token = await optional(download?.tokenFile, path =>
    examination.check('download token', [], () => checkSecretFile(path, '--token-file'))
  )
  const ca = await optional(caFile, path =>
    examination.check('authorities', [], () => checkAuthorities(path))
  )
  const secrecy = await examination.check('secrecy', [], () => {
    refusePlaintext(options)
    return { found: undefined, message: describeSecrecy(options) }
  })
  const way =
    place.type === 'service'
      ? await examination.check('service', [cluster], opened =>
          // It is there: the server is behind it.
          checkService(opened as JobCluster, place, signal)
        )
      : await examineWay(examination, options, ca, signal)
  // Of a server that is reached directly nothing was opened.
  const opened = way.passed ? way.found : undefined
  await using connection = await StageServer.open({
    url: opened?.url ?? server,
    servername: opened?.servername,
    onClose: opened?.close,
    proxy,
    ca: ca.passed ? ca.found : undefined,
    giveUpMs: answerMs
  })
  await examineServer(examination, options, connection, { way, secrecy, credential, token }, signal)
  if (namespace === undefined || place.type === 'url') return
  await examination.check('leftovers', [cluster], opened =>
    checkLeftovers(opened as JobCluster, namespace, signal)
  )
}

/** What the server itself answers. */
async function examineServer(
  examination: Examination,
  { namespace, download }: DoctorOptions,
  connection: StageServer,
  known: {
    readonly way: Outcome<unknown>
    readonly secrecy: Outcome<unknown>
    readonly credential: Outcome<string | undefined>
    readonly token: Outcome<string | undefined>
  },
  signal: AbortSignal
): Promise<void> {
  const { way, secrecy, credential, token } = known
  const alive = await examination.check('alive', [way], () => checkAlive(connection, signal))
  await examination.check('ready', [alive], () => checkReady(connection, signal))
  await examination.check('clock', [alive], checkClock)
  if (namespace !== undefined) {
    await examination.check('credential', [credential, secrecy, alive], secret =>
      checkCredential(connection, namespace, secret, signal)
    )
  }
  if (download !== undefined) {
    await examination.check('bundle', [token, secrecy, alive], secret =>
      // It was given together with its token.
      checkBundle(connection, download.bundle, secret as string, signal)
    )
  }
}

/** The upload credential: of a file, or behind `k8s://` of a service account; nothing where uploads need none. */
async function examineCredential(
  examination: Examination,
  { namespace, uploadTokenFile, serviceAccount = 'default', audience }: DoctorOptions,
  cluster: Outcome<JobCluster | undefined>,
  signal: AbortSignal
): Promise<Outcome<string | undefined>> {
  if (uploadTokenFile !== undefined) {
    return examination.check('upload token', [], () =>
      checkSecretFile(uploadTokenFile, '--upload-token-file')
    )
  }
  const isDirect = cluster.passed && cluster.found === undefined
  if (isDirect || namespace === undefined) return given(undefined)
  const account = { namespace, serviceAccount, audience }
  return examination.check('upload token', [cluster], opened =>
    checkServiceAccount(opened as JobCluster, account, signal)
  )
}

/** The way to the server, or to the proxy before it, which then vouches for nothing: the tunnel is TLS end to end. */
async function examineWay(
  examination: Examination,
  { server, proxy }: DoctorOptions,
  ca: Outcome<string | undefined>,
  signal: AbortSignal
): Promise<Outcome<undefined>> {
  const endpoint = proxy === undefined ? endpointOf(server, 'server') : endpointOf(proxy, 'proxy')
  const name = await examination.check('name', [], () => checkName(endpoint))
  const connected = await examination.check('connection', [name], () => checkConnection(endpoint, signal))
  if (server.protocol === 'http:') return connected
  // Behind a proxy the first request sees the certificate.
  if (proxy !== undefined) return ca.passed ? connected : ca
  return examination.check('certificate', [connected, ca], (_, authorities) =>
    checkCertificate(endpoint, authorities, signal)
  )
}

/** A check of something that does not have to be there. */
async function optional<Value, Found>(
  value: Value | undefined,
  check: (value: Value) => Promise<Outcome<Found>>
): Promise<Outcome<Found | undefined>> {
  return value === undefined ? given(undefined) : check(value)
}

function describeOptions({ server, proxy, namespace, download }: DoctorOptions): string {
  const parts = [serverName(server)]
  if (proxy !== undefined) parts.push(`through the proxy ${proxy.host}`)
  if (namespace !== undefined) parts.push(`namespace ${namespace}`)
  if (download !== undefined) parts.push(`bundle ${download.bundle.namespace}/${download.bundle.bundleId}`)
  return parts.join(', ')
}

function describeSecrecy({ server, allowPlaintext }: DoctorOptions): string {
  if (server.protocol === 'k8s:') return 'through the API server: nobody between can read along'
  if (server.protocol === 'https:') return 'https: nobody between can read along'
  return allowPlaintext ? 'plain http, as --allow-plaintext says' : 'plain http, but it stays on this machine'
}
