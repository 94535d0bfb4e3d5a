import { basename, isAbsolute } from 'node:path'
import { quote } from '../../shared/errors.ts'
import type { Kind } from '../../shared/names.ts'
import { lastOption, type SubmitArguments } from './argument-model.ts'
import { type DependencyList, isScript, type ListEntry } from './dependency-lists.ts'
import { readSparkUri, type SparkUri, whyNoAlias, whyNotCarried } from './spark-uri.ts'

/** A file on this machine that Spark is to carry into the pods. */
export interface LocalDependency {
  readonly kind: Kind
  /** Absolute. */
  readonly path: string
  /** The name that it has for Spark. */
  readonly name: string
  /** What followed `#`. */
  readonly alias?: string
}

/** Something that Spark could not carry. Then nothing should be staged. */
export interface DependencyProblem {
  /** The option, property or file, and the entry: `--jars "a.jar"`. */
  readonly what: string
  readonly reason: string
}

/** What was found on this machine. */
export interface LocalDependencies {
  /** For each entry that has any, its files, in the order of the lists; a pattern has its matches in their order. */
  readonly files: ReadonlyMap<ListEntry, readonly LocalDependency[]>
  readonly problems: readonly DependencyProblem[]
  /** What `--class` has to say: it is missing, and in a staged jar spark-submit cannot look it up. */
  readonly mainClass?: string
}

/** What is asked about files, so that a test needs no disk. */
export interface LocalFiles {
  /** The folder that relative paths begin at. */
  readonly workingDirectory: string
  /** What is at a path, links followed, and its path without links; undefined when nothing is there. */
  readonly look: (path: string) => Promise<FoundFile | undefined>
  /** The paths that a pattern of Hadoop matches (`*`, `?`, `[…]`, `{…}`), sorted. */
  readonly expand: (pattern: string) => Promise<readonly string[]>
  /** `Main-Class` in a jar's manifest. */
  readonly mainClassOf: (jarPath: string) => Promise<string | undefined>
}

/** What {@link LocalFiles.look} finds. */
export interface FoundFile {
  readonly type: 'file' | 'directory' | 'other'
  readonly canonicalPath: string
}

/**
 * Finds every local file that spark-submit would have to upload. Remote and `local:` entries stay alone. Where Spark
 * drops in silence what it cannot find, a folder or a pattern without a match, there is a problem.
 */
export async function findLocalDependencies(
  submit: SubmitArguments,
  lists: readonly DependencyList[],
  localFiles: LocalFiles
): Promise<LocalDependencies> {
  const files = new Map<ListEntry, readonly LocalDependency[]>()
  const problems: DependencyProblem[] = []
  let mainClass: string | undefined
  for (const { kind, what, entries } of lists) {
    for (const entry of entries) {
      const problem = (reason: string): void => {
        problems.push({ what: `${what} ${quote(entry.resource, 300)}`, reason })
      }
      const found = await findEntry(kind, entry.resource, localFiles)
      if (typeof found === 'string') {
        problem(found)
        continue
      }
      const [first] = found
      if (first === undefined) continue
      files.set(entry, found)
      if (kind !== 'app' || !lacksMainClass(submit, entry)) continue
      mainClass = await localFiles.mainClassOf(first.path)
      if (mainClass === undefined) problem(noMainClass)
    }
  }
  return { files, problems, ...(mainClass === undefined ? {} : { mainClass }) }
}

const noMainClass = 'the manifest of this jar has no Main-Class; name the class with --class'

function lacksMainClass(submit: SubmitArguments, entry: ListEntry): boolean {
  return lastOption(submit, '--class') === undefined && !isScript(entry.resource)
}

/** The files of one entry, none if it is not local, or why there are none. */
async function findEntry(
  kind: Kind,
  resource: string,
  files: LocalFiles
): Promise<readonly LocalDependency[] | string> {
  if (resource.trim() === '') return []
  const uri = readSparkUri(resource)
  if (uri.type === 'remote') return []
  if (uri.type === 'malformed') return uri.reason
  const path = isAbsolute(uri.path) ? uri.path : `${files.workingDirectory}/${uri.path}`
  const found = await files.look(path)
  if (found === undefined && kind !== 'app' && /[*?[{]/.test(path))
    return expand(kind, path, uri.alias, files)
  if (found === undefined) return whyMissing(resource, uri)
  if (found.type === 'directory') return 'this is a directory; pack it and pass the archive'
  if (found.type === 'other') return 'this is not a regular file'
  return toDependency(kind, path, basename(uri.isCanonical ? found.canonicalPath : path), uri.alias)
}

/** The files that a pattern matches; Spark ignores folders among them. */
async function expand(
  kind: Kind,
  pattern: string,
  alias: string | undefined,
  files: LocalFiles
): Promise<readonly LocalDependency[] | string> {
  const dependencies: LocalDependency[] = []
  for (const path of await files.expand(pattern)) {
    if ((await files.look(path))?.type !== 'file') continue
    const dependency = toDependency(kind, path, basename(path), alias)
    if (typeof dependency === 'string') return dependency
    dependencies.push(...dependency)
  }
  if (dependencies.length === 0) return 'the pattern matches no file'
  if (alias !== undefined && dependencies.length > 1) {
    return `the name after # is for one file, but the pattern matches ${dependencies.length}`
  }
  return dependencies
}

function toDependency(
  kind: Kind,
  path: string,
  name: string,
  alias: string | undefined
): readonly LocalDependency[] | string {
  const reason = whyNotCarried(name) ?? (alias === undefined ? undefined : whyNoAlias(alias))
  if (reason !== undefined) return reason
  return [{ kind, path, name, ...(alias === undefined ? {} : { alias }) }]
}

/** There is no such file; and perhaps what Spark made of the text is not what was meant. */
function whyMissing(resource: string, uri: SparkUri & { readonly type: 'local' }): string {
  if (/^\s|\s$/.test(resource))
    return 'there is no such file: Spark takes the blanks beside a comma as part of a name'
  if (resource.startsWith('~')) return 'there is no such file: the shell replaces ~ only where a word begins'
  if (uri.isCanonical && resource.includes('#')) {
    return 'there is no such file: Spark takes # as part of the name here; write file:///path with %20 for a space'
  }
  return 'there is no such file'
}
