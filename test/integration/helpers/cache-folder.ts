import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** This project's folder in the user's cache, outside the checkout and on disk; made when it is missing. */
export async function cacheFolder(): Promise<string> {
  const { XDG_CACHE_HOME: caches } = process.env
  const folder = join(caches || join(homedir(), '.cache'), 'spark-stage')
  await mkdir(folder, { recursive: true })
  return folder
}
