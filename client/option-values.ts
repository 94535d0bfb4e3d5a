import { checkNamespace, isBundleId } from '../shared/names.ts'
import { checkNamed, describe, usageError } from './client-error.ts'
import { type CommandName, type OptionRow, optionTable } from './option-table.ts'
import { PlaceError, serverPlace } from './server-place.ts'

/** The flags of a command line by name without dashes (`token-out`); a switch is `true`. */
export type Flags = Readonly<Record<string, string | true | undefined>>

/** A bundle as commands name it: `<namespace>/<bundleId>`. */
export interface BundleName {
  readonly namespace: string
  readonly bundleId: string
}

/** Reads the options of one command: a flag wins over its variable, a variable over the default. */
export interface OptionReader {
  /** Undefined when nothing says it. */
  optional(flag: string): string | undefined
  /** @throws ClientError (usage) when nothing says it */
  text(flag: string): string
  /** @throws ClientError (usage) when it is neither true nor false */
  switch(flag: string): boolean
  /** @throws ClientError (usage) when it is no whole number from 1 to `highest` */
  count(flag: string, highest: number): number
}

/** A reader of the options of `command`; every flag it is asked for is a row of the table. */
export function openReader(command: CommandName, flags: Flags, env: NodeJS.ProcessEnv): OptionReader {
  const rows: ReadonlyMap<string, OptionRow> = new Map(optionTable.map(row => [row.flag, row]))
  const optional = (flag: string) => {
    // Asked for by name in options.ts, so it is there.
    const { variable, defaultValue } = rows.get(flag) as OptionRow
    const value = flags[flag.slice(2)] ?? (variable === undefined ? undefined : env[variable])
    return value === '' || value === undefined ? defaultValue : String(value)
  }
  const text = (flag: string) => {
    const value = optional(flag)
    if (value !== undefined) return value
    throw usageError(
      `${flag} is missing: give it, or set ${rows.get(flag)?.variable}; see spark-stage ${command} --help`
    )
  }
  return {
    optional,
    text,
    switch: flag => {
      const value = text(flag)
      if (value === 'true' || value === 'false') return value === 'true'
      throw wrong(flag, 'true or false', value)
    },
    count: (flag, highest) => {
      const value = text(flag)
      if (/^[1-9]\d{0,8}$/.test(value) && Number(value) <= highest) return Number(value)
      throw wrong(flag, `a whole number from 1 to ${highest}`, value)
    }
  }
}

/**
 * Where a server is: `http(s)://…`, or `k8s://NAMESPACE/SERVICE`.
 *
 * @throws ClientError (usage); a password in it is refused and not shown
 */
export function parseServer(text: string): URL {
  try {
    const place = serverPlace(text)
    return place.type === 'url' ? place.url : new URL(text)
  } catch (cause) {
    throw cause instanceof PlaceError ? usageError(`--server: ${cause.message}`, { cause }) : cause
  }
}

/** @param what the option or argument, for messages. @throws ClientError (usage) */
export function parseNamespace(text: string, what: string): string {
  return checkNamed(what, () => checkNamespace(text))
}

/** @param what the option or argument, for messages. @throws ClientError (usage) */
export function parseBundleName(text: string, what: string): BundleName {
  const [namespace = '', bundleId = '', ...rest] = text.split('/')
  if (!isBundleId(bundleId) || rest.length > 0)
    throw wrong(what, 'NAMESPACE/ID, the id of 32 hex digits', text)
  return { namespace: parseNamespace(namespace, what), bundleId }
}

function wrong(what: string, expected: string, found: string): Error {
  return usageError(describe(`${what} cannot be used`, { expected, found: JSON.stringify(found) }))
}
