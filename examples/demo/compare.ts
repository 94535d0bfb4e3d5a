import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Entry, parseManifest } from '../../shared/manifest.ts'
import { manifestPath } from '../../shared/paths.ts'
import type { DemoFile } from './demo-files.ts'

/** A file that was laid out, and whether it is what was staged. */
export interface Compared {
  /** Below the staging directory. */
  readonly path: string
  readonly sizeBytes: number
  /** As `ls -l` shows permissions: `rw-r--r--`. */
  readonly mode: string
  readonly sha256: string
  readonly alias?: string | undefined
  readonly isRight: boolean
}

/** Reads a bundle's manifest as an init container does. @throws Error when the server does not answer 200 */
export async function readManifest(url: string, bundle: string, token: string): Promise<readonly Entry[]> {
  const [namespace = '', bundleId = ''] = bundle.split('/')
  const response = await fetch(new URL(manifestPath(namespace, bundleId), url), {
    headers: { authorization: `Bearer ${token}` }
  })
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  return parseManifest(await response.json(), namespace, bundleId).entries
}

/** Compares a staging directory with the source files: each is there once, whole, and nothing else is. */
export async function compare(
  into: string,
  entries: readonly Entry[],
  sources: readonly DemoFile[],
  signal: AbortSignal
): Promise<readonly Compared[]> {
  const digests = await Promise.all(sources.map(({ filePath }) => sha256(filePath, signal)))
  const found = await readdir(into, { recursive: true, withFileTypes: true })
  const paths = found
    .filter(item => item.isFile())
    .map(item => join(item.parentPath, item.name).slice(into.length + 1))
  const staged = paths.filter(path => path !== '.spark-stage-complete').toSorted()
  return Promise.all(
    staged.map(async path => {
      const entry = entries.find(candidate => candidate.path === path)
      const source = sources.findIndex(
        ({ kind, filePath }) => kind === entry?.kind && basename(filePath) === entry.name
      )
      const { size, mode } = await stat(join(into, path))
      const digest = await sha256(join(into, path), signal)
      const isRight = digest === entry?.sha256 && digests[source] === digest
      return { path, sizeBytes: size, mode: describeMode(mode), sha256: digest, alias: entry?.alias, isRight }
    })
  )
}

async function sha256(filePath: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(filePath), hash, { signal })
  return hash.digest('hex')
}

function describeMode(mode: number): string {
  return [...'rwxrwxrwx'].map((letter, index) => ((mode >> (8 - index)) & 1 ? letter : '-')).join('')
}
