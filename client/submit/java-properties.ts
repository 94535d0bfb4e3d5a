/**
 * Reads a properties file as `java.util.Properties.load(Reader)` does: comments, continued lines, `=`, `:` or white
 * space after the key, escapes. The last of two equal keys counts.
 *
 * @throws SyntaxError when `\u` is not followed by four hex digits, where Java throws too
 * @see https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)
 */
export function parseJavaProperties(text: string): ReadonlyMap<string, string> {
  return new Map(logicalLines(text).map(splitLine))
}

/** Lines without comments and blank ones, those that end in `\` joined with what follows; a lone `\` counts as blank. */
function logicalLines(text: string): readonly string[] {
  const lines: string[] = []
  const rest = text.split(/\r\n|\r|\n/).map(line => line.replace(/^[ \t\f]+/, ''))
  for (let line = rest.shift(); line !== undefined; line = rest.shift()) {
    if (/^[#!]/.test(line)) continue
    while (endsInEscape(line)) line = line === '\\' ? '' : line.slice(0, -1) + (rest.shift() ?? '')
    if (line !== '') lines.push(line)
  }
  return lines
}

/** Whether an odd number of `\` is at the end, so that the last one escapes the line's end. */
function endsInEscape(line: string): boolean {
  return /(?<!\\)(?:\\\\)*\\$/.test(line)
}

function splitLine(line: string): readonly [string, string] {
  const key = line.replace(/^((?:\\.|[^\\=: \t\f])*).*$/s, '$1')
  const value = line.slice(key.length).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
  return [withoutEscapes(key), withoutEscapes(value)]
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(u.{0,4}|.)/gs, (_, escaped: string) => {
    if (!escaped.startsWith('u')) return plainEscapes.get(escaped) ?? escaped
    if (!/^u[0-9a-fA-F]{4}$/.test(escaped)) throw new SyntaxError(`malformed \\uXXXX: \\${escaped}`)
    return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
  })
}

const plainEscapes: ReadonlyMap<string, string> = new Map([
  ['t', '\t'],
  ['n', '\n'],
  ['r', '\r'],
  ['f', '\f']
])
