import type { Stats } from 'node:fs'
import { glob, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { quote } from '../shared/errors.ts'
import { checkAlias, checkName, type Kind, splitAlias } from '../shared/names.ts'
import { checkNamed, usageError } from './client-error.ts'

/** One `--jar`, `--file`, … of the command line, as it was written. */
export interface Selection {
  readonly kind: Kind
  /** The flag, for messages. */
  readonly flag: string
  /** A path or a pattern; for files and archives perhaps with `#alias`. */
  readonly text: string
}

/** A file to stage, known to exist and to have a good name. */
export interface LocalFile {
  readonly kind: Kind
  readonly name: string
  readonly alias?: string
  readonly filePath: string
  readonly sizeBytes: number
  readonly executable: boolean
}

/**
 * The files that a command line selects, in its order; what one pattern matches is sorted. A path that exists is
 * itself, whatever `*` or `[` it holds; only then it is a pattern (`*`, `**`, `?`, `[…]`, `{…}`).
 *
 * @throws ClientError (usage) when a file is missing, a directory or badly named, or a pattern matches nothing
 */
export async function selectFiles(selections: readonly Selection[]): Promise<readonly LocalFile[]> {
  const files: LocalFile[] = []
  for (const selection of selections) files.push(...(await expand(selection)))
  return files
}

async function expand({ kind, flag, text }: Selection): Promise<readonly LocalFile[]> {
  const takesAlias = kind === 'files' || kind === 'archives'
  const { name: path, alias } = takesAlias ? splitAlias(text) : { name: text }
  const what = `${flag} ${quote(text, 300)}`
  const literal = await statOrUndefined(path, what)
  const matches = literal === undefined ? await matchesOf(path, what) : [path]
  if (alias !== undefined && matches.length > 1) {
    throw usageError(`${what}: an alias names one file, but the pattern matches ${matches.length}`)
  }
  return Promise.all(
    matches.map(async match => toLocalFile(kind, match, alias, literal ?? (await stat(match)), what))
  )
}

async function statOrUndefined(path: string, what: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (cause) {
    // A boundary: file system calls reject with a system error.
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw usageError(`${what}: the file cannot be read (${code})`, { cause })
  }
}

async function matchesOf(pattern: string, what: string): Promise<readonly string[]> {
  if (!/[*?[{]/.test(pattern)) throw usageError(`${what}: there is no such file`)
  const matches: string[] = []
  for await (const match of glob(pattern)) matches.push(match)
  if (matches.length === 0) throw usageError(`${what}: the pattern matches no file`)
  return matches.toSorted()
}

function toLocalFile(
  kind: Kind,
  filePath: string,
  alias: string | undefined,
  info: Stats,
  what: string
): LocalFile {
  if (info.isDirectory()) {
    throw usageError(
      `${what}: ${quote(filePath, 300)} is a directory; pack it and stage it with --archive FILE#NAME`
    )
  }
  if (!info.isFile()) throw usageError(`${what}: ${quote(filePath, 300)} is not a regular file`)
  const name = checkNamed(what, () => checkName(basename(filePath)))
  const executable = (kind === 'files' || kind === 'app') && (info.mode & 0o100) !== 0
  const file = { kind, name, filePath, sizeBytes: info.size, executable }
  return alias === undefined ? file : { ...file, alias: checkNamed(what, () => checkAlias(alias)) }
}
