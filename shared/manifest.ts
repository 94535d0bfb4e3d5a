import { checkAlias, checkKind, checkName, isSha256, type Kind } from './names.ts'

/** One file of a bundle. */
export interface Entry {
  readonly kind: Kind
  /** Base name, as the user knows the file. */
  readonly name: string
  /** What followed `#`: the name programs see instead. */
  readonly alias?: string
  /** Where it lands below the staging directory: `<kind>/<name>`. Entries with equal bytes may share a path. */
  readonly path: string
  readonly sizeBytes: number
  /** Lowercase hex. */
  readonly sha256: string
  readonly executable: boolean
}

/** What a bundle holds, as `GET /api/v1/bundles/{ns}/{id}` answers it. */
export interface Manifest {
  readonly bundleId: string
  readonly namespace: string
  /** RFC 3339. */
  readonly createdAt: string
  readonly entries: readonly Entry[]
}

/** A file of a staging directory: every entry that shares its path shares its bytes. */
export type StagedFile = Pick<Entry, 'path' | 'sizeBytes' | 'sha256' | 'executable'>

/**
 * The manifest in a server's answer, believed only as far as it was checked: every path is `<kind>/<name>` of good
 * parts, so none leads out of the staging directory, and entries at one path agree on their bytes.
 *
 * @throws Error that says which field was expected how
 */
export function parseManifest(value: unknown, namespace: string, bundleId: string): Manifest {
  // A boundary: everything read from `value` below is checked before it is used.
  const manifest = value as Partial<Manifest> | null
  if (typeof manifest !== 'object' || manifest === null || !Array.isArray(manifest.entries)) {
    throw new Error('expected a manifest with a list of entries, found something else')
  }
  if (manifest.bundleId !== bundleId || manifest.namespace !== namespace) {
    throw new Error(`expected the manifest of ${namespace}/${bundleId}, found another bundle's`)
  }
  const entries = manifest.entries.map((entry: unknown, index) => checkEntry(entry, index))
  stagedFiles(entries)
  return { bundleId, namespace, createdAt: String(manifest.createdAt), entries }
}

/**
 * The distinct files that a list of entries lays out, in order.
 *
 * @throws Error when two entries at one path do not have the same bytes
 */
export function stagedFiles(entries: readonly Entry[]): readonly StagedFile[] {
  const byPath = new Map<string, StagedFile>()
  for (const { path, sizeBytes, sha256, executable } of entries) {
    const other = byPath.get(path)
    if (other !== undefined && other.sha256 !== sha256)
      throw new Error(`expected one file at ${path}, found two`)
    byPath.set(path, { path, sizeBytes, sha256, executable: executable || other?.executable === true })
  }
  return [...byPath.values()]
}

function checkEntry(value: unknown, index: number): Entry {
  // A boundary: each field is checked below.
  const entry = value as Entry
  try {
    const kind = checkKind(String(entry.kind))
    const name = checkName(String(entry.name))
    const [folder, file, ...rest] = String(entry.path).split('/')
    if (folder !== kind || file === undefined || rest.length > 0)
      throw new Error(`path ${JSON.stringify(entry.path)}`)
    checkName(file)
    if (!Number.isSafeInteger(entry.sizeBytes) || entry.sizeBytes < 0)
      throw new Error(`sizeBytes ${entry.sizeBytes}`)
    if (!isSha256(String(entry.sha256))) throw new Error(`sha256 ${JSON.stringify(entry.sha256)}`)
    const { path, sizeBytes, sha256 } = entry
    const checked = { kind, name, path, sizeBytes, sha256, executable: entry.executable === true }
    return entry.alias === undefined ? checked : { ...checked, alias: checkAlias(String(entry.alias)) }
  } catch (cause) {
    throw new Error(
      `expected a good entry at position ${index} of the manifest, found: ${(cause as Error).message}`,
      { cause }
    )
  }
}
