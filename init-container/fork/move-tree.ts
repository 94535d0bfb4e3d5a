import { chmod, lstat, mkdir, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { FetchError } from '../fetch-error.ts'

/**
 * Moves everything below the folder `from` to the same places below the folder `to`, on the same file system, over what
 * is there. Every UID may read it then.
 *
 * @throws FetchError `usage` where something other than a folder is in the place of one
 */
export async function moveTree(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, place] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) {
      await ensureFolder(place)
      await moveTree(source, place)
    } else await moveFile(source, place)
  }
}

/** Moves one file over what is at `to`. Every UID may read it then, and run it if its owner may. */
export async function moveFile(from: string, to: string): Promise<void> {
  const isExecutable = ((await lstat(from)).mode & 0o100) !== 0
  await chmod(from, isExecutable ? 0o755 : 0o644)
  await rename(from, to)
}

/** Makes a folder that every UID may enter. A symbolic link in its place is refused: it could lead anywhere. */
export async function ensureFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  if (!(await lstat(path)).isDirectory())
    throw new FetchError({ exit: 'usage', subject: path, expected: 'a folder', found: 'something else' })
  await chmod(path, 0o755)
}
