import { link, lstat, mkdir, open, opendir, readFile, rename, rmdir, statfs, unlink } from 'node:fs/promises'

/**
 * The calls of the file system that the local driver makes. Tests put a recorder in its place, to see the order of
 * writes and syncs and to end the process between any two of them.
 */
export interface Disk {
  readonly open: typeof open
  readonly link: typeof link
  readonly rename: typeof rename
  readonly mkdir: typeof mkdir
  readonly unlink: typeof unlink
  readonly rmdir: typeof rmdir
  readonly readFile: typeof readFile
  readonly opendir: typeof opendir
  readonly lstat: typeof lstat
  readonly statfs: typeof statfs
}

/** The real one. */
export const nodeDisk: Disk = { open, link, rename, mkdir, unlink, rmdir, readFile, opendir, lstat, statfs }

/** The code of a file system error, such as `ENOENT`; empty for anything else. */
export function diskErrorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
