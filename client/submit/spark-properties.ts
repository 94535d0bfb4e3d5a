import { join } from 'node:path'
import { quote } from '../../shared/errors.ts'
import { usageError } from '../client-error.ts'
import { hasSwitch, lastOption, type SubmitArguments, splitConf } from './argument-model.ts'
import { parseJavaProperties } from './java-properties.ts'
import { submitOptions } from './submit-options.ts'

/** Where a value was said: by a token of the argument list, or in a properties file. */
export type Source =
  | { readonly by: 'token'; readonly at: number }
  | { readonly by: 'file'; readonly path: string }

/** A value and where it was said. */
export interface Said {
  readonly value: string
  readonly source: Source
}

/** The properties that spark-submit ends up with, without those that have an option of their own. */
export type SparkProperties = ReadonlyMap<string, Said>

/** How properties files are read, so that a test needs no disk. */
export interface PropertiesFiles {
  /** `spark-defaults.conf`, as {@link defaultsPath} finds it; read only when Spark would read it. */
  readonly defaultsPath: string | undefined
  /** The text of a file, or undefined when there is none. */
  readonly read: (path: string) => Promise<string | undefined>
}

/** Where Spark looks for `spark-defaults.conf`: in SPARK_CONF_DIR, or else in `conf` below SPARK_HOME. */
export function defaultsPath(environment: {
  readonly SPARK_CONF_DIR?: string | undefined
  readonly SPARK_HOME?: string | undefined
}): string | undefined {
  const { SPARK_CONF_DIR: confDir, SPARK_HOME: home } = environment
  if (confDir) return join(confDir, 'spark-defaults.conf')
  return home ? join(home, 'conf', 'spark-defaults.conf') : undefined
}

/**
 * Collects properties as SparkSubmitArguments does. The first of these that has a key wins: the last `--conf`; the last
 * `--extra-properties-file`; the last `--properties-file`; `spark-defaults.conf`, which is read when there is no
 * `--properties-file` or when `--load-spark-defaults` is set. Keys that do not begin with `spark.` do not count. Values
 * from files are trimmed, but for escaped line ends.
 *
 * @throws ClientError (usage) when a file that an option names is missing, or one is malformed
 */
export async function readProperties(
  submit: SubmitArguments,
  files: PropertiesFiles
): Promise<SparkProperties> {
  const named = lastOption(submit, '--properties-file')
  const readsDefaults = named === undefined || hasSwitch(submit, '--load-spark-defaults')
  const properties = new Map<string, Said>()
  if (readsDefaults && files.defaultsPath !== undefined) {
    await readInto(properties, files, files.defaultsPath)
  }
  if (named !== undefined) await readInto(properties, files, named.value, '--properties-file')
  for (const token of submit.tokens) {
    if (token.type !== 'option' || token.name !== '--extra-properties-file') continue
    await readInto(properties, files, token.value, token.name)
  }
  for (const [at, token] of submit.tokens.entries()) {
    const conf = token.type === 'option' && token.name === '--conf' ? splitConf(token.value) : undefined
    if (conf !== undefined) properties.set(conf.key, { value: conf.value, source: { by: 'token', at } })
  }
  return new Map([...properties].filter(([key]) => key.startsWith('spark.')))
}

/**
 * What an option amounts to: its own last value, or else its property's.
 *
 * @param name the official name, `--jars`
 */
export function effectiveValue(
  submit: SubmitArguments,
  properties: SparkProperties,
  name: string
): Said | undefined {
  const option = lastOption(submit, name)
  if (option !== undefined) return { value: option.value, source: { by: 'token', at: option.at } }
  const property = submitOptions.find(({ names }) => names[0] === name)?.property
  return property === undefined ? undefined : properties.get(property)
}

/** @param option the option that names the file, which then has to exist */
async function readInto(
  properties: Map<string, Said>,
  files: PropertiesFiles,
  path: string,
  option?: string
): Promise<void> {
  const what = option === undefined ? quote(path, 300) : `${option} ${quote(path, 300)}`
  const text = await files.read(path)
  if (text === undefined && option !== undefined) throw usageError(`${what}: there is no such file`)
  for (const [key, value] of parse(text ?? '', what)) {
    properties.set(key, { value: trimmed(value), source: { by: 'file', path } })
  }
}

function parse(text: string, what: string): ReadonlyMap<string, string> {
  try {
    return parseJavaProperties(text)
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw usageError(`${what}: ${cause.message}`, { cause })
  }
}

/** As Spark's Utils.trimExceptCRLF: what is left of a line end in a value was put there on purpose. Java's blanks end at the space. */
function trimmed(value: string): string {
  return value.replace(/^[^\r\n!-\uffff]+|[^\r\n!-\uffff]+$/g, '')
}
