import type { FileHandle } from 'node:fs/promises'
import type { Test } from 'tap'
import type { Disk } from '../../server/storage/disk.ts'
import { watchDisk } from './watched-disk.ts'

/** A disk that can stop for ever: what `kill -9` leaves of a process, without the process. */
export interface MortalDisk {
  readonly disk: Disk
  /** From now on it counts its steps. */
  arm(): void
  /** Resolves when it has stopped. */
  readonly died: Promise<void>
}

/** @param last how many steps it makes once it is armed, before it stops */
export function mortalDisk(t: Test, last: number): MortalDisk {
  let leftCount = Number.POSITIVE_INFINITY
  const { promise: died, resolve: die } = Promise.withResolvers<void>()
  const watched = watchDisk({
    before() {
      leftCount -= 1
      if (leftCount >= 0) return undefined
      die()
      return new Promise<void>(() => {})
    }
  })
  const opened: FileHandle[] = []
  // What stands still for ever closes nothing; the end of a process would.
  t.teardown(() => Promise.allSettled(opened.map(file => file.close())))
  const disk: Disk = {
    ...watched,
    open: async (...args) => {
      const file = await watched.open(...args)
      opened.push(file)
      return file
    }
  }
  const arm = () => {
    leftCount = last
  }
  return { disk, died, arm }
}
