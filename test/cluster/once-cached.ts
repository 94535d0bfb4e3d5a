import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { say } from './progress.ts'

/**
 * Makes something that is kept: at `path`, whole or not at all.
 *
 * @param path a file or folder in the cache, whose name says all that it depends on
 * @param make writes it to the path it is given, which does not exist yet
 * @returns `path`
 */
export async function onceCached(path: string, make: (draft: string) => Promise<void>): Promise<string> {
  if (await isThere(path)) return path
  const draft = `${path}.draft-${process.pid}`
  say(`making ${path}`)
  await mkdir(dirname(path), { recursive: true })
  try {
    await make(draft)
    await rename(draft, path)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return path
}

export async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
