import type { Dir } from 'node:fs'

/**
 * The `limit` smallest names greater than `after` in an open folder, sorted by their code units; those of folders end in
 * `/`. Holds at most twice as many names as it returns, however many the folder has. Closes the folder.
 */
export async function smallestNames(folder: Dir, after: string, limit: number): Promise<readonly string[]> {
  let names: string[] = []
  for await (const entry of folder) {
    const name = entry.isDirectory() ? `${entry.name}/` : entry.name
    if (name <= after) continue
    names.push(name)
    if (names.length >= 2 * limit) names = names.sort(byCodeUnit).slice(0, limit)
  }
  return names.sort(byCodeUnit).slice(0, limit)
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : 1
}
