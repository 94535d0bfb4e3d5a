import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FoundFile, LocalFiles } from './local-dependencies.ts'
import { mainClassOf } from './main-class.ts'

/** This machine's disk, as {@link LocalFiles} asks about it. What may not be read is not there. */
export function localDisk(workingDirectory: string): LocalFiles {
  return { workingDirectory, look, expand, mainClassOf }
}

async function look(path: string): Promise<FoundFile | undefined> {
  const info = await stat(path).catch(() => undefined)
  if (info === undefined) return undefined
  const type = info.isFile() ? 'file' : info.isDirectory() ? 'directory' : 'other'
  return { type, canonicalPath: await realpath(path) }
}

/** Component by component; unlike a shell's, a `*` of Hadoop also matches names that begin with a dot. */
async function expand(pattern: string): Promise<readonly string[]> {
  let paths = ['/']
  for (const component of pattern.split('/').filter(part => part !== '' && part !== '.')) {
    const found = await Promise.all(paths.map(path => matchesIn(path, component)))
    paths = found.flat()
  }
  return paths.toSorted()
}

async function matchesIn(folder: string, component: string): Promise<readonly string[]> {
  const path = join(folder, component)
  if (!/[*?[{\\]/.test(component)) return (await look(path)) === undefined ? [] : [path]
  const matcher = toRegExp(component)
  const names = await readdir(folder).catch(() => [])
  return names.filter(name => matcher.test(name)).map(name => join(folder, name))
}

/**
 * One component of a pattern. A set or a choice that is not closed is taken as it stands, where Hadoop refuses it.
 *
 * @see https://hadoop.apache.org/docs/current/api/org/apache/hadoop/fs/FileSystem.html#globStatus-org.apache.hadoop.fs.Path-
 */
function toRegExp(component: string): RegExp {
  const source = component.replaceAll(/\\(.)|\[([!^]?)([^\]]+)\]|\{([^{}]*)\}|(.)/gsu, toSource)
  return new RegExp(`^${source}$`, 'su')
}

function toSource(
  _: string,
  escaped: string | undefined,
  negation: string | undefined,
  set: string | undefined,
  choice: string | undefined,
  character = ''
): string {
  if (escaped !== undefined) return escapeText(escaped)
  if (set !== undefined) return `[${negation === '' ? '' : '^'}${set.replaceAll(/[\\[\]^]/g, '\\$&')}]`
  if (choice !== undefined) return `(?:${choice.split(',').map(escapeText).join('|')})`
  if (character === '*') return '.*'
  return character === '?' ? '.' : escapeText(character)
}

function escapeText(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
