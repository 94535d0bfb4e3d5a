import { quote } from '../shared/errors.ts'
import { checkNamespace, isBundleId } from '../shared/names.ts'
import { secondMs } from '../shared/units.ts'
import type { FetchOptions } from './fetch-bundle.ts'
import { FetchError } from './fetch-error.ts'
import { type OptionName, type OptionValues, optionNames, optionTable } from './options.ts'

const maxParallelCount = 64
const maxSeconds = 86_400

interface Check {
  readonly expected: string
  readonly accepts: (value: string) => boolean
}

const seconds: Check = {
  expected: `more than 0 and at most ${maxSeconds} seconds`,
  accepts: value => /^\d+(\.\d+)?$/.test(value) && Number(value) > 0 && Number(value) <= maxSeconds
}
const given: Check = { expected: 'a path', accepts: value => value !== '' && !value.includes('\0') }

const checks: Readonly<Record<OptionName, Check>> = {
  server: { expected: 'http(s)://host[:port][/prefix] without credentials', accepts: isServer },
  bundle: { expected: '<namespace>/<id of 32 hex digits>', accepts: isBundle },
  tokenFile: given,
  into: given,
  caFile: { expected: 'a path', accepts: value => !value.includes('\0') },
  parallelCount: {
    expected: `a whole number from 1 to ${maxParallelCount}`,
    accepts: value => /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= maxParallelCount
  },
  stallSeconds: seconds,
  giveUpSeconds: seconds,
  terminationLog: given,
  allowPlaintext: { expected: 'true or false', accepts: value => value === 'true' || value === 'false' }
}

/**
 * What the options mean for a fetch.
 *
 * @throws FetchError `usage` that names every wrong option, and never shows a URL that may hold credentials
 */
export function checkOptions(values: OptionValues): FetchOptions {
  const wrong = optionNames.filter(name => !checks[name].accepts(values[name]))
  if (wrong.length > 0) {
    const found = wrong.map(name => describe(name, values[name])).join('; ')
    throw new FetchError({ exit: 'usage', subject: 'options', expected: 'good values (see --help)', found })
  }
  const [namespace = '', bundleId = ''] = values.bundle.split('/')
  return {
    server: new URL(values.server),
    namespace,
    bundleId,
    tokenFile: values.tokenFile,
    into: values.into,
    caFile: values.caFile === '' ? undefined : values.caFile,
    parallelCount: Number(values.parallelCount),
    stallMs: Number(values.stallSeconds) * secondMs,
    giveUpMs: Number(values.giveUpSeconds) * secondMs,
    allowPlaintext: values.allowPlaintext === 'true'
  }
}

function describe(name: OptionName, value: string): string {
  const { flag, env } = optionTable[name]
  const found = value === '' ? 'nothing' : value.includes('@') ? 'something else' : quote(value)
  return `--${flag} (${env}): expected ${checks[name].expected}, found ${found}`
}

function isServer(value: string): boolean {
  const url = URL.parse(value)
  if (url === null) return false
  return /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === ''
}

function isBundle(value: string): boolean {
  const [namespace = '', bundleId = '', ...rest] = value.split('/')
  try {
    checkNamespace(namespace)
    return isBundleId(bundleId) && rest.length === 0
  } catch {
    return false
  }
}
