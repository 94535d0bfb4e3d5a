import { quote, StagingError } from './errors.ts'

/** What Spark is to do with an entry, in the words of its own configuration (`spark.jars`, `spark.files`, …). */
export const kinds = ['app', 'jars', 'pyFiles', 'files', 'archives'] as const

export type Kind = (typeof kinds)[number]

/** A name must fit one path component of every common file system. */
export const maxNameBytes = 255

/** @throws StagingError `STAGE_ERR_BAD_KIND` */
export function checkKind(kind: string): Kind {
  const known = kinds.find(candidate => candidate === kind)
  if (known !== undefined) return known
  throw new StagingError('STAGE_ERR_BAD_KIND', {
    subject: kind,
    expected: `one of ${kinds.join(', ')}`,
    found: quote(kind)
  })
}

/**
 * An entry's name: one path component that no file system or shell of ours can take for anything else.
 *
 * @throws StagingError `STAGE_ERR_BAD_NAME`
 */
export function checkName(name: string): string {
  return checkComponent(name, 'STAGE_ERR_BAD_NAME')
}

/** What followed `#`; a name like any other. @throws StagingError `STAGE_ERR_BAD_ALIAS` */
export function checkAlias(alias: string): string {
  return checkComponent(alias, 'STAGE_ERR_BAD_ALIAS')
}

/**
 * A namespace is a DNS label (RFC 1123, as Kubernetes demands of namespaces).
 *
 * @throws StagingError `STAGE_ERR_BAD_NAMESPACE`
 */
export function checkNamespace(namespace: string): string {
  if (isNamespace(namespace)) return namespace
  throw new StagingError('STAGE_ERR_BAD_NAMESPACE', {
    subject: namespace,
    expected: '1 to 63 characters of a-z, 0-9 and "-", beginning and ending with a letter or digit',
    found: quote(namespace)
  })
}

/** Whether {@link checkNamespace} accepts it. */
export function isNamespace(namespace: string): boolean {
  return /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)
}

/** Whether this could be a bundle's id: 32 lowercase hex digits. */
export function isBundleId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id)
}

/** Whether this could be a SHA-256 as written here: 64 lowercase hex digits. */
export function isSha256(digest: string): boolean {
  return /^[0-9a-f]{64}$/.test(digest)
}

/**
 * Splits `env.tar.gz#env` as Spark does, at the last `#`: a name and, if there was one, an alias.
 *
 * @returns unchecked parts: both still go through {@link checkName} and {@link checkAlias}
 */
export function splitAlias(text: string): { readonly name: string; readonly alias?: string } {
  const at = text.lastIndexOf('#')
  return at < 0 ? { name: text } : { name: text.slice(0, at), alias: text.slice(at + 1) }
}

function checkComponent(name: string, code: 'STAGE_ERR_BAD_NAME' | 'STAGE_ERR_BAD_ALIAS'): string {
  const found = whatIsWrong(name)
  if (found === undefined) return name
  throw new StagingError(code, {
    subject: name,
    expected: `1 to ${maxNameBytes} bytes of UTF-8 without /, \\ and control characters, and neither . nor ..`,
    found
  })
}

function whatIsWrong(name: string): string | undefined {
  if (name === '') return 'an empty name'
  if (name === '.' || name === '..') return quote(name)
  if (/[/\\]/.test(name)) return 'a path separator'
  if (/\p{Cc}|[\u2028\u2029]/u.test(name)) return 'a control character'
  if (!name.isWellFormed() || name.includes('\ufffd')) return 'text that is not valid UTF-8'
  const sizeBytes = Buffer.byteLength(name)
  if (sizeBytes > maxNameBytes) return `${sizeBytes} bytes`
  return undefined
}
