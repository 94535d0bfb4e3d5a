import { dirname } from 'node:path'
import type { DiskStep } from './watched-disk.ts'

/** What happened on a disk, and where the server answered: by then everything visible must be there for good. */
export type Trace = readonly (DiskStep | { readonly op: 'answer'; readonly path: string })[]

/**
 * Holds a trace against the rule: write → sync → rename or link → sync of the folder (and of a new folder's parent) →
 * answer. Nothing of `ignored` folders counts: nobody looks there after a crash.
 *
 * @returns what would be lost by a crash of the machine; nothing if the rule was kept
 */
export function findLosses(trace: Trace, ignored: (path: string) => boolean): readonly string[] {
  const losses: string[] = []
  const unsyncedFiles = new Set<string>()
  /** Names changed in a folder since its last sync, by folder. */
  const unsyncedNames = new Map<string, string[]>()
  const change = (path: string) => {
    if (ignored(path)) return
    unsyncedNames.set(dirname(path), [...(unsyncedNames.get(dirname(path)) ?? []), path])
  }
  for (const step of trace) {
    if (step.op === 'new' || step.op === 'write') unsyncedFiles.add(step.path)
    if (step.op === 'sync') {
      unsyncedFiles.delete(step.path)
      unsyncedNames.delete(step.path)
    }
    if (step.op === 'link' || step.op === 'rename') {
      if (unsyncedFiles.has(step.path)) losses.push(`${step.to} became visible before its bytes were synced`)
      change(step.to)
    }
    if (step.op === 'mkdir' || step.op === 'unlink') change(step.path)
    if (step.op === 'rmdir') {
      unsyncedNames.delete(step.path)
      change(step.path)
    }
    if (step.op === 'answer') {
      for (const names of unsyncedNames.values())
        losses.push(`${names.join(', ')} not synced before ${step.path}`)
      unsyncedNames.clear()
    }
  }
  return losses
}

/** Every trace that lacks one sync of this one, with the path that is not synced. */
export function* withoutOneSync(trace: Trace): Generator<readonly [string, Trace]> {
  for (const [index, step] of trace.entries()) {
    if (step.op === 'sync') yield [step.path, trace.toSpliced(index, 1)]
  }
}
