/** An answer of S3 as XML. Values are text, numbers, booleans, further elements, or lists of what repeats. */
export type XmlValue =
  | string
  | number
  | boolean
  | undefined
  | readonly XmlElements[]
  | readonly string[]
  | XmlElements
export interface XmlElements {
  readonly [name: string]: XmlValue
}

/** @returns a whole document */
export function toXml(root: string, elements: XmlElements): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element(root, elements)}`
}

function element(name: string, value: XmlValue): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return value.map(one => element(name, one)).join('')
  if (typeof value !== 'object') return `<${name}>${escapeXml(String(value))}</${name}>`
  const inner = Object.entries(value).map(([child, one]) => element(child, one))
  return `<${name}>${inner.join('')}</${name}>`
}

/** The texts of all elements of a name, in order; enough for what the SDK sends. */
export function textsOf(xml: string, name: string): readonly string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) =>
    text.replaceAll('&quot;', '"').replaceAll('&amp;', '&')
  )
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
