import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Disk, nodeDisk } from '../../server/storage/disk.ts'

/** One step that changes a disk. `sync` is of a file or of a folder. */
export type DiskStep =
  | { readonly op: 'new' | 'write' | 'sync' | 'mkdir' | 'unlink' | 'rmdir'; readonly path: string }
  | { readonly op: 'link' | 'rename'; readonly path: string; readonly to: string }

/** Told of every step; `before` may fail it, or never resolve. */
export interface DiskWatcher {
  before?(step: DiskStep): Promise<void> | void
  after?(step: DiskStep): void
}

/** The real disk, watched. */
export function watchDisk(watcher: DiskWatcher): Disk {
  async function run<T>(step: DiskStep, change: () => Promise<T>): Promise<T> {
    await watcher.before?.(step)
    const result = await change()
    watcher.after?.(step)
    return result
  }

  const watchFile = (file: FileHandle, path: string): FileHandle =>
    new Proxy(file, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (typeof member !== 'function') return member
        const op = name === 'sync' ? 'sync' : name === 'write' || name === 'writeFile' ? 'write' : undefined
        const call = (...args: unknown[]) => member.apply(target, args)
        return op === undefined ? call : (...args: unknown[]) => run({ op, path }, () => call(...args))
      }
    })

  const watched: Partial<Disk> = {
    open: async (path, flags, mode) => {
      const open = () => nodeDisk.open(path, flags, mode)
      const file = await (flags === 'wx' ? run({ op: 'new', path: String(path) }, open) : open())
      return watchFile(file, String(path))
    },
    link: (from, to) =>
      run({ op: 'link', path: String(from), to: String(to) }, () => nodeDisk.link(from, to)),
    rename: (from, to) =>
      run({ op: 'rename', path: String(from), to: String(to) }, () => nodeDisk.rename(from, to)),
    unlink: path => run({ op: 'unlink', path: String(path) }, () => nodeDisk.unlink(path)),
    rmdir: path => run({ op: 'rmdir', path: String(path) }, () => nodeDisk.rmdir(path)),
    // The type of mkdir is overloaded by its options.
    mkdir: (async (path: string, options: { recursive?: boolean; mode: number }) => {
      await watcher.before?.({ op: 'mkdir', path })
      const first = await nodeDisk.mkdir(path, options)
      const made = options.recursive === true ? first : path
      for (let folder = path; made !== undefined && folder.length >= made.length; folder = dirname(folder)) {
        watcher.after?.({ op: 'mkdir', path: folder })
      }
      return first
    }) as Disk['mkdir']
  }
  return { ...nodeDisk, ...watched }
}
