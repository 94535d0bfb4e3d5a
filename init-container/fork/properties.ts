/**
 * Reads the text of a Java properties file: comments, `=`, `:` or white space between key and value, escapes, lines
 * continued by a backslash (`java.util.Properties.load`). Of two values for one key, the later counts. White space at
 * the end of a value is dropped, as Spark does.
 */
export function parseProperties(text: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const key = line.replace(/^((?:\\.|[^\\=: \t\f])*).*$/s, '$1')
    const value = line.slice(key.length).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
    properties.set(unescaped(key), unescaped(value).trimEnd())
  }
  return properties
}

/** The lines that say something, without what is before them, and with what continues them. */
function* logicalLines(text: string): Generator<string> {
  let begun = ''
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, '')
    if (begun === '' && /^(?:[#!]|$)/.test(line)) continue
    const isContinued = (line.length - line.replace(/\\+$/, '').length) % 2 === 1
    begun += isContinued ? line.slice(0, -1) : line
    if (isContinued) continue
    yield begun
    begun = ''
  }
  if (begun !== '') yield begun
}

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/gs, (_escape, hex?: string, character = '') => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    return { t: '\t', n: '\n', r: '\r', f: '\f' }[character as string] ?? character
  })
}
