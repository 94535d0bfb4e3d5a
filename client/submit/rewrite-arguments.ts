import type { Kind } from '../../shared/names.ts'
import { type SubmitArguments, type Token, withValue, writeArguments } from './argument-model.ts'
import { type DependencyList, isScript, type ListEntry } from './dependency-lists.ts'
import type { LocalDependencies, LocalDependency } from './local-dependencies.ts'
import type { SparkProperties } from './spark-properties.ts'
import { mountTable, stagedUri } from './spark-uri.ts'

/** A submission of which everything is known. */
export interface Submission {
  readonly submit: SubmitArguments
  readonly properties: SparkProperties
  readonly lists: readonly DependencyList[]
  readonly dependencies: LocalDependencies
  /** Spark asks these when no property names an interpreter. */
  readonly environment: {
    readonly PYSPARK_PYTHON?: string | undefined
    readonly PYSPARK_DRIVER_PYTHON?: string | undefined
  }
}

/** Where its files are by now. */
export interface Staging {
  readonly bundleId: string
  /** The folder that they are in within each pod, `/var/spark-stage`. */
  readonly stagingDirectory: string
  /** The path of each one below that folder, `jars/util.jar`. */
  readonly paths: ReadonlyMap<LocalDependency, string>
  /** Further properties that have to be so, by key. */
  readonly properties?: ReadonlyMap<string, string>
}

/**
 * The argument list for spark-submit in which every local file has its staged name. Everything else stays as it was
 * written and where it was. What is new stands before the primary resource; what a properties file said is overridden
 * there by `--conf`. With nothing local it is the same list.
 */
export function rewriteArguments(submission: Submission, staging: Staging): readonly string[] {
  const { submit, properties, lists, dependencies } = submission
  if (dependencies.files.size === 0) return writeArguments(submit.tokens)
  const tokens = [...submit.tokens]
  const additions: Token[] = []
  const setProperty = (key: string, value: string): void => {
    const source = properties.get(key)?.source
    if (source?.by === 'token') replaceValue(tokens, source.at, `${key}=${value}`)
    else additions.push(addedOption('--conf', `${key}=${value}`))
  }

  if (dependencies.mainClass !== undefined) additions.push(addedOption('--class', dependencies.mainClass))
  setProperty(
    `spark.hadoop.fs.viewfs.mounttable.${mountTable(staging.bundleId)}.linkFallback`,
    `file://${staging.stagingDirectory}`
  )
  for (const list of lists) {
    const value = stagedList(list, dependencies, staging)
    if (value === undefined) continue
    if (list.place.by === 'property') setProperty(list.place.key, value)
    else replaceValue(tokens, list.place.at, value)
  }
  const schemes = schemesToAvoid(submission)
  if (schemes !== undefined) setProperty(avoidDownloadSchemes, schemes)
  const interpreter = stagedInterpreter(submission, staging)
  if (interpreter !== undefined) setProperty('spark.pyspark.driver.python', interpreter)
  for (const [key, value] of staging.properties ?? []) setProperty(key, value)

  const primaryAt = tokens.findIndex(({ type }) => type === 'primary')
  return writeArguments(tokens.toSpliced(primaryAt < 0 ? tokens.length : primaryAt, 0, ...additions))
}

/** Jars of these schemes are read by each executor from its own disk, not from the driver (Spark 4.0 and later). */
const avoidDownloadSchemes = 'spark.kubernetes.jars.avoidDownloadSchemes'

function addedOption(name: string, value: string): Token {
  return { type: 'option', words: [name, value], name, value }
}

function replaceValue(tokens: Token[], at: number, value: string): void {
  const token = tokens[at]
  if (token?.type === 'option') tokens[at] = withValue(token, value)
  else tokens[at] = { type: 'primary', words: [value] }
}

/** The list with staged names, or undefined when nothing in it is local. */
function stagedList(
  { entries }: DependencyList,
  { files }: LocalDependencies,
  staging: Staging
): string | undefined {
  if (!entries.some(entry => files.has(entry))) return undefined
  return entries
    .flatMap(entry => files.get(entry)?.map(file => stagedName(file, staging)) ?? [entry.text])
    .join(',')
}

function stagedName(file: LocalDependency, staging: Staging): string {
  return stagedUri(staging.bundleId, stagedPath(file, staging), file.alias)
}

function stagedPath(file: LocalDependency, { paths }: Staging): string {
  const path = paths.get(file)
  if (path === undefined) throw new Error(`not staged: ${file.path}`)
  return path
}

/** What the property has to be, or undefined when it is right, or when no jar is staged. */
function schemesToAvoid({ properties, lists, dependencies }: Submission): string | undefined {
  const isStagedJar = (kind: Kind, entry: ListEntry): boolean =>
    dependencies.files.has(entry) && (kind === 'jars' || (kind === 'app' && !isScript(entry.resource)))
  if (!lists.some(({ kind, entries }) => entries.some(entry => isStagedJar(kind, entry)))) return undefined
  const schemes = properties
    .get(avoidDownloadSchemes)
    ?.value.split(',')
    .filter(scheme => scheme.trim() !== '')
  if (schemes?.some(scheme => scheme.trim() === 'viewfs')) return undefined
  return [...(schemes ?? []), 'viewfs'].join(',')
}

/**
 * Where the driver finds its interpreter when that is a staged file, `./NAME`: there Spark copies files without their
 * executable bit, so that only the staged one can be run. Executors set the bit themselves.
 */
function stagedInterpreter(
  { properties, dependencies, environment }: Submission,
  staging: Staging
): string | undefined {
  const interpreter =
    properties.get('spark.pyspark.driver.python')?.value ??
    properties.get('spark.pyspark.python')?.value ??
    properties.get('spark.kubernetes.driverEnv.PYSPARK_DRIVER_PYTHON')?.value ??
    environment.PYSPARK_DRIVER_PYTHON ??
    properties.get('spark.kubernetes.driverEnv.PYSPARK_PYTHON')?.value ??
    environment.PYSPARK_PYTHON
  const file = [...dependencies.files.values()]
    .flat()
    .find(({ kind, name, alias }) => kind === 'files' && interpreter === `./${alias ?? name}`)
  return file === undefined ? undefined : `${staging.stagingDirectory}/${stagedPath(file, staging)}`
}
