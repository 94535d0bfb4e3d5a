import { type ExitCause, exitCodes } from '../../shared/exit-codes.ts'
import { secondMs } from '../../shared/units.ts'
import { checkAuthorities, checkSecretFile } from '../doctor/check-files.ts'
import { checkCertificate, checkConnection, checkName, endpointOf } from '../doctor/check-network.ts'
import { checkAlive, checkBundle, checkClock, checkCredential, checkReady } from '../doctor/check-server.ts'
import { type CheckLine, type CheckState, Examination, given, type Outcome } from '../doctor/examination.ts'
import { StageServer } from '../http-client.ts'
import { type DoctorOptions, refusePlaintext, serverName } from '../options.ts'
import { isRich } from '../report.ts'

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
  signal: AbortSignal
): Promise<DoctorResult> {
  const examination = new Examination(onLine)
  const options = await examination.check('options', [], () => {
    const found = read()
    return { found, message: describeOptions(found) }
  })
  if (options.passed) await examine(examination, options.found, signal)
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

async function examine(examination: Examination, options: DoctorOptions, signal: AbortSignal): Promise<void> {
  const { server, proxy, namespace, download, uploadTokenFile, caFile } = options
  const credential = await optional(uploadTokenFile, path =>
    examination.check('upload token', [], () => checkSecretFile(path, '--upload-token-file'))
  )
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
  const way = await examineWay(examination, options, ca, signal)

  await using connection = await StageServer.open({
    url: server,
    proxy,
    ca: ca.passed ? ca.found : undefined,
    giveUpMs: answerMs
  })
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

/** The way to the server, or to the proxy before it, which then vouches for nothing: the tunnel is TLS end to end. */
async function examineWay(
  examination: Examination,
  { server, proxy }: DoctorOptions,
  ca: Outcome<string | undefined>,
  signal: AbortSignal
): Promise<Outcome<unknown>> {
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
async function optional<Found>(
  value: string | undefined,
  check: (value: string) => Promise<Outcome<Found>>
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
  if (server.protocol === 'https:') return 'https: nobody between can read along'
  return allowPlaintext ? 'plain http, as --allow-plaintext says' : 'plain http, but it stays on this machine'
}
