import { glob } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const testRoot = fileURLToPath(new URL('..', import.meta.url))

/**
 * Runs all test files of some folders in this process. A process a file would spend most of its time on loading the same
 * modules again; each file still runs by itself: `npx tap --disable-coverage test/shared/names.test.ts`.
 *
 * @param folders below `test/`; `name/**` takes the folders below as well
 */
export async function runFolders(...folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const files = await Array.fromAsync(glob(`${folder}/*.test.ts`, { cwd: testRoot }))
    if (files.length === 0) throw new Error(`no tests in test/${folder}`)
    for (const file of files.sort()) await import(`../${file}`)
  }
}
