import { isBundleId } from '../../../shared/names.ts'
import { dayMs } from '../../../shared/units.ts'
import { bareName, listAll, readIfThere, type StorageDriver } from '../../storage/storage-driver.ts'
import { dataBytes, distinctData } from '../data-objects.ts'
import {
  attemptFolder,
  bundleFolder,
  bundlesRoot,
  dataFolder,
  dataKey,
  dueHour,
  dueKey,
  indexKeys,
  isAttemptFolder,
  leaseKey,
  manifestKey
} from '../keys.ts'
import { type EndedLease, isEnded, type Lease } from '../lease.ts'
import type { StoredManifest } from '../manifests.ts'
import type { Finding, Problem } from './findings.ts'
import { examineLease, examineManifest } from './stored-objects.ts'

/** What a look at one bundle tells, before its bytes are read. */
export interface BundleLook {
  readonly bundleId: string
  /** As far as it has one that can be read. */
  readonly lease?: Lease
  /** What its manifest says that it holds, in bytes. */
  readonly heldBytes: number
  /** How many of them are there with their right size: these are worth reading. */
  readonly readableBytes: number
  /** Whether a later sweep has something to take away or to mend here, as it should be. */
  readonly isPending: boolean
  readonly findings: readonly Finding[]
}

/** One attempt's folder. */
interface AttemptFolder {
  readonly attempt: number
  readonly hasManifest: boolean
  readonly dataNames: ReadonlySet<string>
}

/**
 * Looks at everything that one bundle has in the store, except at its bytes.
 *
 * @param firstHour the earliest hour in which a sweep looks at it, if there is one
 */
export async function checkBundle(
  store: StorageDriver,
  bundleId: string,
  firstHour: string | undefined
): Promise<BundleLook> {
  return new BundleCheck(store, bundleId, firstHour).run()
}

class BundleCheck {
  readonly #store: StorageDriver
  readonly #bundleId: string
  readonly #firstHour: string | undefined
  readonly #findings: Finding[] = []
  #lease: Lease | undefined
  #heldBytes = 0
  #readableBytes = 0
  #isPending = false

  constructor(store: StorageDriver, bundleId: string, firstHour: string | undefined) {
    this.#store = store
    this.#bundleId = bundleId
    this.#firstHour = firstHour
  }

  async run(): Promise<BundleLook> {
    if (isBundleId(this.#bundleId)) await this.#look()
    else this.#refuseName(bundlesRoot, this.#bundleId)
    return {
      bundleId: this.#bundleId,
      ...(this.#lease === undefined ? {} : { lease: this.#lease }),
      heldBytes: this.#heldBytes,
      readableBytes: this.#readableBytes,
      isPending: this.#isPending,
      findings: this.#findings
    }
  }

  async #look(): Promise<void> {
    const attempts = await this.#readAttempts()
    const objectsCount = attempts.reduce((sum, one) => sum + one.dataNames.size + Number(one.hasManifest), 0)
    const examined = await examineLease(this.#store, this.#bundleId)
    if (examined.is === 'missing') {
      // A crash leaves folders that have become empty.
      if (objectsCount === 0) this.#isPending = true
      else
        this.#add('lease-missing', leaseKey(this.#bundleId), 'a lease', `none, and ${objectsCount} objects`)
      return
    }
    if (examined.is === 'broken') {
      this.#add('lease-broken', leaseKey(this.#bundleId), 'a lease', examined.why)
      return
    }
    const lease = examined.value
    this.#lease = lease
    this.#checkMarker(lease)
    if (isEnded(lease)) await this.#checkEnded(lease, objectsCount)
    else await this.#checkLive(lease, attempts)
  }

  /** What the bundle's folder holds beside its lease. */
  async #readAttempts(): Promise<readonly AttemptFolder[]> {
    const folder = bundleFolder(this.#bundleId)
    const attempts: AttemptFolder[] = []
    for await (const name of listAll(this.#store, folder)) {
      if (isAttemptFolder(name)) attempts.push(await this.#readAttempt(Number(bareName(name))))
      else if (name !== 'lease.json') this.#refuseName(folder, name)
    }
    return attempts
  }

  async #readAttempt(attempt: number): Promise<AttemptFolder> {
    const at = { bundleId: this.#bundleId, attempt }
    const names = new Set(await Array.fromAsync(listAll(this.#store, attemptFolder(at))))
    for (const name of names) {
      if (name !== 'manifest.json' && name !== 'data/') this.#refuseName(attemptFolder(at), name)
    }
    const dataNames = names.has('data/') ? await Array.fromAsync(listAll(this.#store, dataFolder(at))) : []
    return { attempt, hasManifest: names.has('manifest.json'), dataNames: new Set(dataNames) }
  }

  /** Every bundle is looked at some day, and one that lives when its lease runs out; a renewed lease may be shorter. */
  #checkMarker(lease: Lease): void {
    const atMs = lease.endedAtMs ?? lease.expiresAtMs
    const key = dueKey(atMs, this.#bundleId)
    if (this.#firstHour === undefined) this.#add('marker-missing', key, 'a marker in some hour', 'none')
    else if (lease.state !== 'ended' && this.#firstHour > dueHour(atMs)) this.#isPending = true
  }

  /** What a slow writer left in a bundle that has ended goes at the latest a day after the end. */
  async #checkEnded(lease: EndedLease, objectsCount: number): Promise<void> {
    const isListed = await this.#isListed(lease)
    if (objectsCount === 0 && !isListed) return
    const lastHour = dueHour(lease.endedAtMs + dayMs)
    if (this.#firstHour !== undefined && this.#firstHour <= lastHour) {
      this.#isPending = true
      return
    }
    const found = `${objectsCount} objects${isListed ? ' and its place in the index' : ''}`
    const expected = `nothing but its lease, or a marker at or before ${lastHour}`
    this.#add('left-behind', bundleFolder(this.#bundleId), expected, found)
  }

  async #checkLive(lease: Lease, attempts: readonly AttemptFolder[]): Promise<void> {
    if (lease.state === 'committed') await this.#checkListed(lease)
    for (const { attempt } of attempts) {
      // Those before it died on their way; what they left goes when the bundle ends.
      if (attempt < lease.attempt) this.#isPending = true
      if (attempt > lease.attempt) this.#refuseName(bundleFolder(this.#bundleId), String(attempt))
    }
    const current = attempts.find(({ attempt }) => attempt === lease.attempt)
    const manifest = await this.#checkManifest(lease)
    if (manifest !== undefined && current !== undefined)
      await this.#checkData(lease, manifest, current.dataNames)
  }

  async #checkListed(lease: Lease): Promise<void> {
    if (await this.#isListed(lease)) return
    for (const key of indexKeys(lease.namespace, this.#bundleId))
      this.#add('not-listed', key, 'an empty object', 'none')
  }

  async #isListed({ namespace }: Lease): Promise<boolean> {
    for (const key of indexKeys(namespace, this.#bundleId)) {
      if ((await readIfThere(this.#store, key)) !== undefined) return true
    }
    return false
  }

  /** @returns the manifest, if it is there and good; a draft may be without one */
  async #checkManifest({ state, namespace, attempt }: Lease): Promise<StoredManifest | undefined> {
    const at = { bundleId: this.#bundleId, attempt }
    const examined = await examineManifest(this.#store, namespace, at)
    if (examined.is === 'good') return examined.value
    const expected = `the manifest of ${namespace}/${this.#bundleId}`
    if (examined.is === 'broken') this.#add('manifest-broken', manifestKey(at), expected, examined.why)
    else if (state === 'committed') this.#add('manifest-missing', manifestKey(at), expected, 'none')
    return undefined
  }

  async #checkData(lease: Lease, manifest: StoredManifest, dataNames: ReadonlySet<string>): Promise<void> {
    const isCommitted = lease.state === 'committed'
    if (isCommitted) this.#heldBytes = dataBytes(manifest.entries)
    const unnamed = new Set(dataNames)
    for (const { data, path, sizeBytes } of distinctData(manifest.entries)) {
      const key = dataKey(manifest, data)
      if (unnamed.delete(String(data))) {
        const foundBytes = await this.#store.sizeOf(key)
        if (foundBytes === sizeBytes) this.#readableBytes += sizeBytes
        else this.#add('bytes-wrong', key, `${sizeBytes} bytes`, `${foundBytes} bytes`, path)
      } else if (isCommitted) {
        this.#add('bytes-missing', key, `${sizeBytes} bytes`, 'none', path)
      }
    }
    for (const name of unnamed) {
      const key = dataFolder(manifest) + name
      this.#add('bytes-unnamed', key, 'only what the manifest names', 'an object beside it')
    }
  }

  #refuseName(folder: string, name: string): void {
    this.#add('unknown', folder + name, 'nothing', JSON.stringify(name))
  }

  #add(problem: Problem, key: string, expected: string, found: string, path?: string): void {
    const namespace = this.#lease === undefined ? {} : { namespace: this.#lease.namespace }
    const at = path === undefined ? {} : { path }
    this.#findings.push({ problem, key, bundleId: this.#bundleId, ...namespace, ...at, expected, found })
  }
}
