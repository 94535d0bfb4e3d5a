import { StagingError } from '../../shared/errors.ts'
import type { Entry } from '../../shared/manifest.ts'
import { checkAlias, checkKind, checkName } from '../../shared/names.ts'

/** What an entry is called, unchecked. */
export interface AnnouncedNames {
  readonly kind: string
  readonly name: string
  readonly alias?: string
}

/** An entry as it is announced or arrives: everything but its place. */
export interface AnnouncedEntry extends AnnouncedNames {
  readonly sizeBytes: number
  readonly sha256: string
  readonly executable?: boolean
}

/**
 * Checks names and gives every entry its place below the staging directory.
 *
 * Equal bytes under one name are one entry. Programs never use the names of jars, nor the name of an entry that has an
 * alias, so such a one steps aside: the later of two is laid out as `<stem>-<8 hex of its digest><suffix>`. Programs
 * do use the names of everything else, so two different files under one such name are an error.
 *
 * @returns the distinct entries, in the order they came
 * @throws StagingError `STAGE_ERR_BAD_KIND`, `STAGE_ERR_BAD_NAME`, `STAGE_ERR_BAD_ALIAS`, `STAGE_ERR_SAME_NAME`,
 *   `STAGE_ERR_SIZE` when one digest is announced with two sizes
 */
export function layOut(announced: readonly AnnouncedEntry[]): readonly Entry[] {
  refuseTwoSizes(announced)
  const entries = withoutRepeats(announced.map(checkEntry))
  refuseSameNames(entries)
  const placed = entries.map(entry => ({ ...entry, path: '' }))
  const digestAt = new Map<string, string>()
  // Where programs use the name, it keeps its place: those entries choose first.
  for (const hasAlias of [false, true]) {
    for (const entry of placed) {
      if ((entry.alias !== undefined) === hasAlias) entry.path = choosePath(entry, digestAt)
    }
  }
  return placed
}

type Unplaced = Omit<Entry, 'path'>

/**
 * Checks what an entry is called, before any of its bytes are there.
 *
 * @throws StagingError `STAGE_ERR_BAD_KIND`, `STAGE_ERR_BAD_NAME`, `STAGE_ERR_BAD_ALIAS`
 */
export function checkNames(entry: AnnouncedNames): Pick<Entry, 'kind' | 'name' | 'alias'> {
  const checked = { kind: checkKind(entry.kind), name: checkName(entry.name) }
  return entry.alias === undefined ? checked : { ...checked, alias: checkAlias(entry.alias) }
}

function checkEntry(entry: AnnouncedEntry): Unplaced {
  const { sizeBytes, sha256, executable = false } = entry
  return { ...checkNames(entry), sizeBytes, sha256, executable }
}

function withoutRepeats(entries: readonly Unplaced[]): readonly Unplaced[] {
  const distinct = new Map<string, Unplaced>()
  for (const entry of entries) {
    const identity = JSON.stringify([entry.kind, entry.name, entry.alias, entry.sha256])
    const executable = entry.executable || distinct.get(identity)?.executable === true
    distinct.set(identity, { ...entry, executable })
  }
  return [...distinct.values()]
}

/** Equal bytes have one size: an entry that says otherwise could never be read. */
function refuseTwoSizes(entries: readonly AnnouncedEntry[]): void {
  const sizeOf = new Map<string, number>()
  for (const { sha256, sizeBytes } of entries) {
    const other = sizeOf.get(sha256) ?? sizeBytes
    if (other !== sizeBytes) {
      const details = { expected: `${other} bytes, as announced before`, found: `${sizeBytes} bytes` }
      throw new StagingError('STAGE_ERR_SIZE', { subject: sha256, ...details })
    }
    sizeOf.set(sha256, sizeBytes)
  }
}

function refuseSameNames(entries: readonly Unplaced[]): void {
  const digestOf = new Map<string, string>()
  for (const entry of entries) {
    if (entry.kind === 'jars') continue
    const visible = `${entry.kind}/${entry.alias ?? entry.name}`
    const other = digestOf.get(visible)
    if (other !== undefined && other !== entry.sha256) throw sameName(visible, other, entry.sha256)
    digestOf.set(visible, entry.sha256)
  }
}

/** `<kind>/<name>`, or a name beside it when that place has other bytes. Notes the choice in `digestAt`. */
function choosePath({ kind, name, sha256 }: Unplaced, digestAt: Map<string, string>): string {
  const wanted = `${kind}/${name}`
  const isFree = (digestAt.get(wanted) ?? sha256) === sha256
  const path = isFree ? wanted : `${kind}/${nameAside(name, sha256)}`
  const other = digestAt.get(path) ?? sha256
  if (other !== sha256) throw sameName(path, other, sha256)
  digestAt.set(path, sha256)
  return path
}

/** `<stem>-<8 hex of the digest><suffix>`, which must be a good name again. */
function nameAside(name: string, sha256: string): string {
  const suffix = /.((?:\.tar)?\.[^.]+)$/s.exec(name)?.[1] ?? ''
  return checkName(`${name.slice(0, name.length - suffix.length)}-${sha256.slice(0, 8)}${suffix}`)
}

function sameName(subject: string, one: string, other: string): StagingError {
  return new StagingError('STAGE_ERR_SAME_NAME', {
    subject,
    expected: `one file with the SHA-256 ${one}`,
    found: `another with ${other}`
  })
}
