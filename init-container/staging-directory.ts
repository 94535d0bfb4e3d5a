import type { Stats } from 'node:fs'
import { chmod, lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { quote } from '../shared/errors.ts'
import type { StagedFile } from '../shared/manifest.ts'
import { codeOf, FetchError } from './fetch-error.ts'
import { digestFile } from './part-file.ts'

/** A file to fetch, and its place among the bundle's files, which never changes. */
export interface MissingFile extends StagedFile {
  readonly index: number
}

const markerName = '.spark-stage-complete'
const folderMode = 0o755

/**
 * The folder that the Spark container will see. Only we write to it. Files come into being in
 * `.partial-<bundleId>/<index>.part` (the names themselves may be 255 bytes long and leave no room for a suffix),
 * move to their places when all are there, and the marker says that all have moved.
 */
export class StagingDirectory {
  readonly #into: string
  readonly #bundle: string
  readonly #partial: string

  private constructor(into: string, bundle: string, partial: string) {
    this.#into = into
    this.#bundle = bundle
    this.#partial = partial
  }

  /**
   * @throws FetchError `usage` when the folder already holds another bundle
   */
  static async open(into: string, namespace: string, bundleId: string): Promise<StagingDirectory> {
    const bundle = `${namespace}/${bundleId}`
    // The mode of a mount point is not ours to change; of a folder that we make it is, whatever the umask.
    if ((await mkdir(into, { recursive: true })) !== undefined) await chmod(into, folderMode)
    const staging = new StagingDirectory(into, bundle, join(into, `.partial-${bundleId}`))
    const found = await staging.#markedBundle()
    if (found === undefined || found === bundle) return staging
    const expected = `an empty folder or bundle ${bundle}`
    throw new FetchError({ exit: 'usage', subject: into, expected, found: `a marker of ${quote(found)}` })
  }

  /** Where the bytes of a file arrive. */
  partPath(file: MissingFile): string {
    return join(this.#partial, `${file.index}.part`)
  }

  /** The files that are not at their place with the right size and SHA-256, for each byte is read again. */
  async missing(files: readonly StagedFile[], signal: AbortSignal): Promise<readonly MissingFile[]> {
    const missing: MissingFile[] = []
    for (const [index, file] of files.entries()) {
      if (!(await this.#holds(file, signal))) missing.push({ ...file, index })
    }
    if (missing.length > 0) await makeFolder(this.#partial)
    return missing
  }

  /** How many bytes the missing files still need, beside what an interrupted run left. */
  async wantedBytes(missing: readonly MissingFile[]): Promise<number> {
    let wantedBytes = 0
    for (const file of missing) {
      const part = await statOrNothing(this.partPath(file))
      wantedBytes += Math.max(0, file.sizeBytes - (part?.size ?? 0))
    }
    return wantedBytes
  }

  /**
   * Moves fetched files to their places, one by one, so that a run that dies here is simply continued, and says so
   * in the marker at the very end.
   */
  async complete(fetched: readonly MissingFile[], facts: Readonly<Record<string, number>>): Promise<void> {
    const marker = join(this.#into, markerName)
    if (fetched.length > 0) await rm(marker, { force: true })
    for (const file of fetched) {
      const path = join(this.#into, file.path)
      await makeFolder(dirname(path))
      await chmod(this.partPath(file), modeOf(file))
      await rename(this.partPath(file), path)
    }
    await rm(this.#partial, { recursive: true, force: true })
    if ((await this.#markedBundle()) !== undefined) return
    const aside = `${marker}.new`
    await writeFile(aside, `${JSON.stringify({ bundle: this.#bundle, ...facts })}\n`)
    await chmod(aside, 0o644)
    await rename(aside, marker)
  }

  /** The bundle that the marker names; something else when it is not a marker of ours. */
  async #markedBundle(): Promise<string | undefined> {
    try {
      const marker: unknown = JSON.parse(await readFile(join(this.#into, markerName), 'utf8'))
      return typeof marker === 'object' && marker !== null && 'bundle' in marker
        ? String(marker.bundle)
        : 'no bundle'
    } catch (error) {
      if (error instanceof SyntaxError) return 'no bundle'
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  async #holds(file: StagedFile, signal: AbortSignal): Promise<boolean> {
    const path = join(this.#into, file.path)
    if ((await statOrNothing(dirname(path)))?.isDirectory() !== true) return false
    const found = await statOrNothing(path)
    if (found?.isFile() !== true || found.size !== file.sizeBytes) return false
    if ((await digestFile(path, signal)) !== file.sha256) return false
    if ((found.mode & 0o7777) !== modeOf(file)) await chmod(path, modeOf(file))
    return true
  }
}

function modeOf(file: StagedFile): number {
  return file.executable ? 0o755 : 0o644
}

/** Makes a folder that every UID may enter. A symbolic link in its place is refused: it could lead anywhere. */
async function makeFolder(path: string): Promise<void> {
  const found = await statOrNothing(path)
  if (found === undefined) await mkdir(path)
  else if (!found.isDirectory()) {
    throw new FetchError({ exit: 'usage', subject: path, expected: 'a folder', found: 'something else' })
  }
  if (found === undefined || (found.mode & 0o777) !== folderMode) await chmod(path, folderMode)
}

/** What is at `path` itself, be it a symbolic link. */
async function statOrNothing(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
