import { type SubmitOption, submitOptions, submitSwitches } from './submit-options.ts'

/**
 * A piece of the argument list: `words` is what was written, the rest what spark-submit makes of it. An `option` has a
 * value, a `switch` has none; `unread` is whatever spark-submit refuses or never looks at.
 */
export type Token =
  | OptionToken
  | { readonly type: 'switch'; readonly words: readonly [string]; readonly name: string }
  | { readonly type: 'primary'; readonly words: readonly [string] }
  | { readonly type: 'argument'; readonly words: readonly [string] }
  | { readonly type: 'unread'; readonly words: readonly [string] }

/** An option with its value, in one word or in two. */
export interface OptionToken {
  readonly type: 'option'
  readonly words: readonly [string] | readonly [string, string]
  /** The official one, whatever alias was written. */
  readonly name: string
  readonly value: string
}

/**
 * What spark-submit will do. Only `submit` has dependencies: `example` takes its jars from Spark's own folder, `shell`
 * starts a shell, `other` asks for help, the version, or for the state or the end of another submission.
 */
export type Action = 'submit' | 'example' | 'shell' | 'other' | 'refused'

/** An argument list as spark-submit reads it. */
export interface SubmitArguments {
  readonly tokens: readonly Token[]
  readonly action: Action
  /** The jar, the script, or one of Spark's own words such as `spark-internal`. */
  readonly primary?: string
  /** Why spark-submit will refuse the list, in its own words. */
  readonly refusal?: string
}

/**
 * Reads what follows `spark-submit` as Spark 3.5 to 4.3 does: first its launcher, then SparkSubmitArguments. Options end
 * at the first word that is none, the primary resource; what comes after it belongs to the application. Spark refuses
 * an option that it does not know, and so is nothing after it read here. One that has its value with it, as in
 * `--new=value`, can be stepped over, in case that the Spark at hand is newer than this table.
 *
 * @returns never throws; {@link writeArguments} of its tokens is the same list again
 */
export function readArguments(words: readonly string[]): SubmitArguments {
  const [first] = words
  if (first === undefined) return { tokens: [], action: 'other' }
  const wordAction = firstWords.get(first)
  if (wordAction !== undefined) return { tokens: words.map(unread), action: wordAction }
  return readOptions(words)
}

/** The argument list of some tokens, in their order. */
export function writeArguments(tokens: readonly Token[]): readonly string[] {
  return tokens.flatMap(({ words }) => words)
}

/** The last value of an option, which is the one that counts, and where it stands among the tokens. */
export function lastOption(
  { tokens }: SubmitArguments,
  name: string
): { readonly value: string; readonly at: number } | undefined {
  const at = tokens.findLastIndex(token => token.type === 'option' && token.name === name)
  const token = tokens[at]
  return token?.type === 'option' ? { value: token.value, at } : undefined
}

/** Whether a switch is set. */
export function hasSwitch({ tokens }: SubmitArguments, name: string): boolean {
  return tokens.some(token => token.type === 'switch' && token.name === name)
}

/** The key and the value of `--conf KEY=VALUE`; neither is trimmed. */
export function splitConf(text: string): { readonly key: string; readonly value: string } | undefined {
  const at = text.indexOf('=')
  return at < 0 ? undefined : { key: text.slice(0, at), value: text.slice(at + 1) }
}

/** An option with another value, spelled as it was. */
export function withValue(token: OptionToken, value: string): OptionToken {
  const [spelled] = token.words
  return { ...token, words: token.words.length === 2 ? [spelled, value] : [`${token.name}=${value}`], value }
}

/** Words that only count as the very first one. */
const firstWords: ReadonlyMap<string, Action> = new Map([
  ['run-example', 'example'],
  ['pyspark-shell-main', 'shell'],
  ['sparkr-shell-main', 'shell']
])

/** Main classes that have no jar of the user, and whose options and arguments may be mixed. */
const mixingClasses: ReadonlyMap<string, string> = new Map([
  ['org.apache.spark.repl.Main', 'spark-shell'],
  ['org.apache.spark.sql.application.ConnectRepl', 'connect-shell'],
  ['org.apache.spark.sql.connect.service.SparkConnectServer', 'spark-internal'],
  ['org.apache.spark.sql.hive.thriftserver.SparkSQLCLIDriver', 'spark-internal'],
  ['org.apache.spark.sql.hive.thriftserver.HiveThriftServer2', 'spark-internal']
])

const otherActions: ReadonlySet<string> = new Set([
  '--help',
  '--version',
  '--usage-error',
  '--kill',
  '--status'
])

/** `--name=value`. A dot of Java stops at these line ends, so with one of them in its value it is no option. */
const joinedOption = /^(--[^=]+)=([^\n\r\u0085\u2028\u2029]+)$/

const officialOptions = officialNames(submitOptions)
const officialSwitches = officialNames(submitSwitches)

function readOptions(words: readonly string[]): SubmitArguments {
  const tokens: Token[] = []
  let action: Action = 'submit'
  let primary: string | undefined
  let at = 0
  for (let word = words[at]; word !== undefined; word = words[at]) {
    const token = readToken(word, words[at + 1])
    const refusal = whyRefused(token, primary)
    if (refusal !== undefined) {
      return { tokens: [...tokens, ...words.slice(at).map(unread)], action: 'refused', refusal }
    }
    if (token.type === 'primary' && primary === undefined) {
      return {
        tokens: [...tokens, token, ...words.slice(at + 1).map(argument)],
        action,
        primary: token.words[0]
      }
    }
    tokens.push(primary !== undefined && isPlain(token) ? argument(token.words[0]) : token)
    if (isNamed(token) && otherActions.has(token.name)) action = 'other'
    if (token.type === 'option' && token.name === '--class') {
      primary = mixingClasses.get(token.value) ?? primary
    }
    at += token.words.length
  }
  if (primary !== undefined) return { tokens, action, primary }
  if (action === 'other') return { tokens, action }
  return { tokens, action: 'refused', refusal: 'Missing application resource.' }
}

/** The token that begins with a word. An option that lacks its value becomes `unread`, as one nobody knows does. */
function readToken(word: string, next: string | undefined): Token {
  const [, left = word, joined] = joinedOption.exec(word) ?? []
  const option = officialOptions.get(left)
  if (option !== undefined) {
    if (joined !== undefined) return { type: 'option', words: [word], name: option, value: joined }
    return next === undefined
      ? unread(word)
      : { type: 'option', words: [word, next], name: option, value: next }
  }
  const name = officialSwitches.get(left)
  if (name !== undefined) return { type: 'switch', words: [word], name }
  return word.startsWith('-') ? unread(word) : { type: 'primary', words: [word] }
}

/** @param primary known already when options and arguments may be mixed; then any word may be an argument */
function whyRefused(token: Token, primary: string | undefined): string | undefined {
  const [word] = token.words
  if (token.type === 'option' && token.name === '--conf' && splitConf(token.value) === undefined) {
    return `Invalid argument to --conf: ${token.value}`
  }
  if (token.type !== 'unread' || word === undefined) return undefined
  if (officialOptions.has(word)) return `Missing argument for option '${word}'.`
  return primary !== undefined || joinedOption.test(word) ? undefined : `Unrecognized option: ${word}`
}

function isNamed(token: Token): token is Token & { readonly type: 'option' | 'switch' } {
  return token.type === 'option' || token.type === 'switch'
}

function isPlain(token: Token): token is Token & { readonly type: 'primary' | 'argument' | 'unread' } {
  return !isNamed(token)
}

function unread(word: string): Token & { readonly type: 'unread' } {
  return { type: 'unread', words: [word] }
}

function argument(word: string): Token & { readonly type: 'argument' } {
  return { type: 'argument', words: [word] }
}

function officialNames(options: readonly SubmitOption[]): ReadonlyMap<string, string> {
  return new Map(options.flatMap(({ names }) => names.map(name => [name, names[0]] as const)))
}
