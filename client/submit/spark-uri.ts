/**
 * One entry of a list of dependencies as Spark understands it. A `remote` one has a scheme other than `file`. Of a
 * `local` one `path` may be relative. `isCanonical`: Spark follows symbolic links, so that the file has the name of what
 * they lead to.
 */
export type SparkUri =
  | { readonly type: 'remote' }
  | {
      readonly type: 'local'
      readonly path: string
      readonly alias?: string
      readonly isCanonical: boolean
    }
  | { readonly type: 'malformed'; readonly reason: string }

/**
 * Reads an entry as Spark's `Utils.resolveURI` does. What java.net.URI cannot parse, say because of a space, is a path
 * from its first to its last character: then `%20` is no space and `#` is part of the name.
 *
 * @see https://github.com/apache/spark/blob/master/common/utils/src/main/scala/org/apache/spark/util/SparkFileUtils.scala
 */
export function readSparkUri(text: string): SparkUri {
  const uri = parseJavaUri(text)
  if (uri?.scheme !== undefined && uri.scheme.toLowerCase() !== 'file') return { type: 'remote' }
  const alias = uri?.fragment === undefined ? {} : { alias: decode(uri.fragment) }
  if (uri?.scheme !== undefined) {
    if (!uri.path.startsWith('/')) return { type: 'malformed', reason: 'a path after file: begins with /' }
    if (uri.authority) return { type: 'malformed', reason: 'a file: URI has no host; write file:///path' }
    return { type: 'local', path: decode(uri.path), ...alias, isCanonical: false }
  }
  if (uri?.fragment !== undefined) {
    return { type: 'local', path: decode(uri.path), ...alias, isCanonical: false }
  }
  return { type: 'local', path: text, isCanonical: true }
}

/**
 * How a staged file is named to Spark.
 *
 * @param path the entry's, `jars/util.jar`
 * @param alias what followed `#`; it is not encoded, because Spark takes it as it is
 */
export function stagedUri(bundleId: string, path: string, alias?: string): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  return `viewfs://${mountTable(bundleId)}/${encoded}${alias === undefined ? '' : `#${alias}`}`
}

/** The name of the viewfs mount table that stands for a bundle's staging directory. */
export function mountTable(bundleId: string): string {
  return `spark-stage-${bundleId}`
}

/**
 * Why Spark cannot carry a file of this name, if so. Tried with 3.5.7 and 4.3.0: it decodes what is percent-encoded, takes
 * the result for a pattern and then for a URI.
 */
export function whyNotCarried(name: string): string | undefined {
  const [found] = /[,[\]{}*?:]/.exec(name) ?? []
  if (found === undefined) return undefined
  return `Spark cannot carry a file with ${found} in its name, not even percent-encoded`
}

/** Why Spark cannot carry an alias, if so: it decodes it once, and reads what then stands there as a URI again. */
export function whyNoAlias(alias: string): string | undefined {
  if (alias !== '' && isLegal(alias, aliasCharacters)) return undefined
  return alias === '' ? 'there is nothing after #' : `Spark cannot carry ${alias} as the name after #`
}

interface JavaUri {
  readonly scheme: string | undefined
  readonly authority: string | undefined
  /** Of an opaque URI such as `file:x` all that follows the scheme. */
  readonly path: string
  readonly fragment: string | undefined
}

const pathCharacters = "\\w.!~'()*;:@&=+$,/\\-"
const aliasCharacters = "\\w.!~'()*;@&=+$\\-"

/** Scheme, authority, path, query and fragment; without a scheme there is no colon before the first slash. */
const javaUri = /^(?:([a-z][a-z0-9+.-]*):|(?![^/?#]*:))(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is

/** The parts of what `new java.net.URI(text)` accepts: RFC 2396 with letters beyond ASCII. The parts stay encoded. */
function parseJavaUri(text: string): JavaUri | undefined {
  const match = javaUri.exec(text)
  if (match === null) return undefined
  const [, scheme, authority, path = '', query, fragment] = match
  const isBlank = path === '' && query === undefined
  if (isBlank && authority === '' && fragment === undefined) return undefined
  if (isBlank && authority === undefined && scheme !== undefined) return undefined
  const isOpaque = scheme !== undefined && authority === undefined && !path.startsWith('/')
  const others = [authority ?? '', query ?? '', fragment ?? '', isOpaque ? path : '']
  if (!others.every(part => isLegal(part, `${pathCharacters}?[\\]`))) return undefined
  if (!isOpaque && !isLegal(path, pathCharacters)) return undefined
  return { scheme, authority, path, fragment }
}

/** Whether a text has only these characters of ASCII, `%` with two hex digits, and printable ones beyond ASCII. */
function isLegal(text: string, characters: string): boolean {
  return new RegExp(`^(?:[${characters}]|%[0-9a-f]{2}|[^\\0-\\x9f\\p{Z}])*$`, 'iu').test(text)
}

/** As java.net.URI decodes; what is no UTF-8 becomes U+FFFD. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, octets =>
    Buffer.from(octets.replaceAll('%', ''), 'hex').toString('utf8')
  )
}
