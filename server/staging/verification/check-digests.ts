import { createHash } from 'node:crypto'
import { Writable } from 'node:stream'
import { isInDoubt, type StorageDriver, StorageError } from '../../storage/storage-driver.ts'
import { distinctData } from '../data-objects.ts'
import { dataKey } from '../keys.ts'
import type { StoredEntry, StoredManifest } from '../manifests.ts'
import type { Finding, Problem } from './findings.ts'
import { examineLease, examineManifest } from './stored-objects.ts'

/**
 * Reads all bytes of one bundle or draft that are there with their right size, and hashes them. What else is wrong with
 * it was found before.
 *
 * @param onBytes how many bytes were read since the last call
 * @returns what does not have the digest of its manifest, or cannot be read
 */
export async function checkDigests(
  store: StorageDriver,
  bundleId: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<readonly Finding[]> {
  const lease = await examineLease(store, bundleId)
  if (lease.is !== 'good' || lease.value.state === 'ended') return []
  const { namespace, attempt } = lease.value
  const manifest = await examineManifest(store, namespace, { bundleId, attempt })
  if (manifest.is !== 'good') return []
  const findings: Finding[] = []
  for (const entry of distinctData(manifest.value.entries)) {
    const finding = await checkDigest(store, manifest.value, entry, onBytes, signal)
    if (finding !== undefined) findings.push(finding)
  }
  return findings
}

async function checkDigest(
  store: StorageDriver,
  manifest: StoredManifest,
  { data, path, sizeBytes, sha256 }: StoredEntry,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<Finding | undefined> {
  const key = dataKey(manifest, data)
  const { bundleId, namespace } = manifest
  const describe = (problem: Problem, found: string): Finding => ({
    ...{ problem, key, bundleId, namespace, path },
    expected: `sha256 ${sha256}`,
    found
  })
  try {
    if ((await store.sizeOf(key)) !== sizeBytes) return undefined
    const found = await readDigest(store, key, sizeBytes, onBytes, signal)
    return found === sha256 ? undefined : describe('bytes-wrong', `sha256 ${found}`)
  } catch (error) {
    if (!(error instanceof StorageError) || isInDoubt(error)) throw error
    return error.failure === 'not-found' ? undefined : describe('bytes-unreadable', error.message)
  }
}

async function readDigest(
  store: StorageDriver,
  key: string,
  sizeBytes: number,
  onBytes: (bytes: number) => void,
  signal: AbortSignal
): Promise<string> {
  const hash = createHash('sha256')
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk)
      onBytes(chunk.length)
      done()
    }
  })
  const opened = await store.open(key, { start: 0, end: sizeBytes })
  try {
    await opened.sendTo(sink, signal)
  } finally {
    await opened.close()
  }
  return hash.digest('hex')
}
