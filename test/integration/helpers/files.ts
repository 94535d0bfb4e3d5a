import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { promisify } from 'node:util'
import { MiB } from '../../../shared/units.ts'

/** Writes a file of random bytes. @returns its path */
export async function writeRandomFile(path: string, sizeBytes: number): Promise<string> {
  await using file = await open(path, 'wx')
  for (let leftBytes = sizeBytes; leftBytes > 0; leftBytes -= 16 * MiB) {
    await file.writeFile(randomBytes(Math.min(16 * MiB, leftBytes)))
  }
  return path
}

/** What the program `sha256sum` says of each file, by base name: no code of ours has a say in it. */
export async function sha256sums(paths: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await promisify(execFile)('sha256sum', paths, { maxBuffer: 16 * MiB })
  const lines = stdout.trim().split('\n')
  return Object.fromEntries(lines.map(line => [basename(line.slice(66)), line.slice(0, 64)]))
}
