import {
  boolCoreTag,
  defineScalarTag,
  dump,
  FAILSAFE_SCHEMA,
  loadAll,
  NOT_RESOLVED,
  nullCoreTag,
  Schema
} from 'js-yaml'

/** A mapping of a YAML document. What it holds is text from outside: every part is checked where it is used. */
export type Mapping = Readonly<Record<string, unknown>>

/** The text is no template, in words. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/**
 * A word whose meaning depends on who reads it: `0444` is 292 to Spark and 444 to YAML 1.2, `yes` is true to Spark 3.5.
 * It stays as it was written, so that Spark reads what it would have read in the user's own file.
 */
export class PlainWord {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }

  toString(): string {
    return this.text
  }
}

/**
 * Reads a pod template as Spark does: one document, YAML or JSON, that is a mapping. Keys are kept whether anybody knows
 * them or not.
 *
 * @throws TemplateError
 */
export function parseTemplate(text: string): Mapping {
  const documents = loadDocuments(text)
  if (documents.length > 1) throw new TemplateError(`expected one document, found ${documents.length}`)
  const [document] = documents
  if (isMapping(document)) return document
  const found = document === undefined || document === null ? 'nothing' : 'something else'
  throw new TemplateError(`expected a Pod as YAML or JSON, found ${found}`)
}

/** A template as YAML that Spark reads the same, whatever version of YAML it keeps to. */
export function printTemplate(template: Mapping): string {
  return dump(template, { schema, noRefs: true, lineWidth: -1 })
}

/** Whether a value has named parts. */
export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof PlainWord)
}

function loadDocuments(text: string): readonly unknown[] {
  try {
    return loadAll(text, { schema })
  } catch (cause) {
    // A boundary: js-yaml throws errors with the place in their first line, and the text itself below.
    const { message } = cause as Error
    throw new TemplateError(`this is no YAML: ${message.replace(/\n.*$/s, '')}`, { cause })
  }
}

/** Takes the place of all numbers, and of what YAML 1.1 has for true and false. Texts that look like one are quoted. */
const plainWordTag = defineScalarTag<PlainWord>('tag:yaml.org,2002:float', {
  implicit: true,
  resolve: source => (ambiguous.test(source) ? new PlainWord(source) : NOT_RESOLVED),
  identify: value => value instanceof PlainWord || typeof value === 'number',
  represent: String
})

const ambiguous = /^(?:[-+.]*\d.*|[-+]?\.(?:inf|nan)|y|n|yes|no|on|off)$/i

const schema = new Schema([...FAILSAFE_SCHEMA.tags, nullCoreTag, boolCoreTag, plainWordTag])
