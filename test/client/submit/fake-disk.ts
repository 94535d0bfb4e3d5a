import { matchesGlob, normalize } from 'node:path'
import type { FoundFile, LocalFiles } from '../../../client/submit/local-dependencies.ts'

/** What is on a disk that does not exist: absolute paths, with what is special about them. */
export type Disk = Readonly<
  Record<
    string,
    'file' | 'directory' | 'other' | { readonly linkTo: string } | { readonly mainClass: string }
  >
>

/** Answers from a table. A folder need not be named for files to be in it. */
export function fakeDisk(disk: Disk, workingDirectory = '/home/me'): LocalFiles {
  const look = (path: string): FoundFile | undefined => {
    const found = disk[normalize(path)]
    if (found === undefined) return undefined
    if (typeof found === 'string') return { type: found, canonicalPath: path }
    return { type: 'file', canonicalPath: 'linkTo' in found ? found.linkTo : path }
  }
  return {
    workingDirectory,
    look: async path => look(path),
    expand: async pattern => Object.keys(disk).filter(path => matchesGlob(path, pattern)),
    mainClassOf: async path => {
      const found = disk[look(path)?.canonicalPath ?? path]
      return typeof found === 'object' && 'mainClass' in found ? found.mainClass : undefined
    }
  }
}
