import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { secondMs } from '../../shared/units.ts'

/** A shorter key could be guessed (RFC 7518, section 3.2). */
export const minKeyBytes = 32

/** The directory is read again when someone needs a key and the last look is older than this. */
const refreshAfterMs = 10 * secondMs

/** How long a key that others sign with may take to reach this server: Secrets reach replicas minutes apart. */
const unknownKeyPatienceMs = 120 * secondMs

/** How many unknown key ids are remembered; forgetting one only lengthens its patience. */
const rememberedUnknownCount = 1000

export interface SigningKey {
  /** The file's name. */
  readonly kid: string
  readonly secret: Buffer
}

/** A key that is looked for: there, possibly on its way, or not one of ours. */
export type KeySearch = SigningKey | { readonly retryAfterSeconds: number } | undefined

/**
 * The keys of a directory, one file a key, as a mounted Secret has them. It is read again as time goes, so keys can be
 * added and removed while the server runs.
 */
export class KeyRing {
  readonly #directory: string
  readonly #activationMs: number
  readonly #now: () => number
  #keys: readonly SigningKey[] = []
  #loadedAtMs = Number.NEGATIVE_INFINITY
  readonly #firstSeenMs = new Map<string, number>()
  readonly #unknownSinceMs = new LRUCache<string, number>({ max: rememberedUnknownCount })

  private constructor(directory: string, activationMs: number, now: () => number) {
    this.#directory = directory
    this.#activationMs = activationMs
    this.#now = now
  }

  /**
   * @param activationMs how long a key must have been seen before it signs, so that all servers know it by then
   * @param now milliseconds since the epoch
   * @throws Error that names the file when a key is too short, or the directory has none
   */
  static async open(directory: string, activationMs: number, now: () => number): Promise<KeyRing> {
    const ring = new KeyRing(directory, activationMs, now)
    await ring.#load()
    return ring
  }

  /**
   * The key to sign with: the lexically greatest that was seen for the activation time. When none was, the least: only
   * a newer one can be on its way to other servers.
   */
  async signing(): Promise<SigningKey> {
    await this.#refresh()
    const since = (kid: string) => this.#firstSeenMs.get(kid) ?? Number.POSITIVE_INFINITY
    const active = this.#keys.findLast(({ kid }) => this.#now() - since(kid) >= this.#activationMs)
    const key = active ?? this.#keys[0]
    if (key === undefined) throw new Error(`no key in ${this.#directory}`)
    return key
  }

  /** The key with this id. An unknown one causes a look at the directory, and may be on its way for two minutes. */
  async find(kid: string): Promise<KeySearch> {
    await this.#refresh()
    const known = this.#withId(kid)
    if (known !== undefined) return known
    const sinceMs = this.#unknownSinceMs.get(kid)
    if (sinceMs === undefined) {
      await this.#load()
      this.#unknownSinceMs.set(kid, this.#loadedAtMs)
      return this.#withId(kid) ?? { retryAfterSeconds: 5 }
    }
    return this.#now() - sinceMs < unknownKeyPatienceMs ? { retryAfterSeconds: 5 } : undefined
  }

  #withId(kid: string): SigningKey | undefined {
    return this.#keys.find(key => key.kid === kid)
  }

  async #refresh(): Promise<void> {
    if (this.#now() - this.#loadedAtMs >= refreshAfterMs) await this.#load()
  }

  async #load(): Promise<void> {
    this.#loadedAtMs = this.#now()
    const keys: SigningKey[] = []
    for (const kid of (await readdir(this.#directory)).sort()) {
      // A mounted Secret has its own bookkeeping beside the keys, in names that begin with a dot.
      if (kid.startsWith('.') || !(await stat(join(this.#directory, kid))).isFile()) continue
      const secret = await readFile(join(this.#directory, kid))
      if (secret.length < minKeyBytes) {
        throw new Error(
          `signing key ${join(this.#directory, kid)}: expected at least ${minKeyBytes} bytes, found ${secret.length}`
        )
      }
      keys.push({ kid, secret })
    }
    if (keys.length === 0) {
      throw new Error(`signing keys directory ${this.#directory}: expected at least one file, found none`)
    }
    this.#keys = keys
    for (const { kid } of keys) {
      const seenMs = keys.length === 1 ? Number.NEGATIVE_INFINITY : this.#now()
      if (!this.#firstSeenMs.has(kid)) this.#firstSeenMs.set(kid, seenMs)
    }
  }
}

/** Makes the directory with one random key where there is none: for a server that only this machine can reach. */
export async function ensureKey(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if ((await readdir(directory)).length > 0) return
  await writeFile(join(directory, 'key-1'), randomBytes(minKeyBytes), { mode: 0o600, flush: true })
}
