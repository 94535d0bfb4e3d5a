import { execFile } from 'node:child_process'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../cluster/paths.ts'

const run = promisify(execFile)

/**
 * A program from PyPI, in an environment of its own that is made once a machine and kept in the user's cache.
 *
 * @param name of the package
 * @param version exactly this one
 * @param program what the package installs
 * @returns the program's path
 */
export async function pythonTool(name: string, version: string, program: string): Promise<string> {
  const folder = join(cacheFolder, `${name}-${version}`)
  // An environment knows its own path, so it cannot be made aside: one with this file is complete.
  const complete = join(folder, 'complete')
  if (!(await isThere(complete))) {
    await rm(folder, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', folder])
    await run(join(folder, 'bin', 'pip'), ['install', '--quiet', `${name}==${version}`])
    await writeFile(complete, '')
  }
  return join(folder, 'bin', program)
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
