import type { Kind } from '../../shared/names.ts'
import type { SubmitArguments } from './argument-model.ts'
import { effectiveValue, type Said, type SparkProperties } from './spark-properties.ts'

/** What Spark is told to carry, as it was written: the primary resource, or the value of an option or a property. */
export interface DependencyList {
  readonly kind: Kind
  /** For messages: `--jars`, `--conf spark.jars`, `spark.jars in conf/spark-defaults.conf`. */
  readonly what: string
  /** What to replace: a token of the argument list, or a property wherever it was said. */
  readonly place:
    | { readonly by: 'primary' | 'option'; readonly at: number }
    | { readonly by: 'property'; readonly key: string }
  readonly entries: readonly ListEntry[]
}

/** One entry, with all blanks around it. */
export interface ListEntry {
  readonly text: string
  /** What Spark looks for: it trims what properties say, but not what options say. */
  readonly resource: string
}

/**
 * All lists of dependencies that count, first the primary resource. An option wins against its property as a whole, even
 * when it is empty. Lists are split at every comma, so that no name and no `{a,b}` can have one.
 */
export function dependencyLists(
  submit: SubmitArguments,
  properties: SparkProperties
): readonly DependencyList[] {
  if (submit.action !== 'submit') return []
  const lists: DependencyList[] = []
  const at = submit.tokens.findIndex(({ type }) => type === 'primary')
  const { primary: text } = submit
  if (at >= 0 && text !== undefined && !sparksOwn.has(text)) {
    const entries = [{ text, resource: text }]
    lists.push({ kind: 'app', what: 'the application', place: { by: 'primary', at }, entries })
  }
  for (const row of listOptions) {
    const said = effectiveValue(submit, properties, row.option)
    if (said !== undefined) lists.push(toList(row, said, submit))
  }
  return lists
}

/** Whether Spark runs a resource by Python or R, and so needs no main class. */
export function isScript(primary: string): boolean {
  return /\.(?:py|R|r)$/.test(primary)
}

const listOptions = [
  { kind: 'jars', option: '--jars', property: 'spark.jars' },
  { kind: 'pyFiles', option: '--py-files', property: 'spark.submit.pyFiles' },
  { kind: 'files', option: '--files', property: 'spark.files' },
  { kind: 'archives', option: '--archives', property: 'spark.archives' }
] as const

/** Words in place of a primary resource that stand for something in Spark itself. */
const sparksOwn: ReadonlySet<string> = new Set([
  'spark-shell',
  'pyspark-shell',
  'sparkr-shell',
  'connect-shell',
  'spark-internal'
])

function toList(
  { kind, option, property }: (typeof listOptions)[number],
  { value, source }: Said,
  { tokens }: SubmitArguments
): DependencyList {
  const token = source.by === 'token' ? tokens[source.at] : undefined
  const texts = value.split(',')
  if (source.by === 'token' && token?.type === 'option' && token.name === option) {
    const entries = texts.map(text => ({ text, resource: text }))
    return { kind, what: option, place: { by: 'option', at: source.at }, entries }
  }
  const what = source.by === 'file' ? `${property} in ${source.path}` : `--conf ${property}`
  const entries = texts.map(text => ({ text, resource: javaTrim(text) }))
  return { kind, what, place: { by: 'property', key: property }, entries }
}

/** As Java's String.trim: every character up to the space is blank. */
function javaTrim(text: string): string {
  return text.replace(/^[^!-\uffff]+|[^!-\uffff]+$/g, '')
}
