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
 * added and removed while the server runs. A file that cannot be a key then counts as none; the others go on.
 */
export class KeyRing {
  readonly #directory: string
  readonly #activationMs: number
  readonly #now: () => number
  readonly #onTrouble: OnTrouble
  #keys: readonly SigningKey[] = []
  #loadedAtMs = Number.NEGATIVE_INFINITY
  readonly #firstSeenMs = new Map<string, number>()
  readonly #unknownSinceMs = new LRUCache<string, number>({ max: rememberedUnknownCount })

  private constructor(directory: string, activationMs: number, now: () => number, onTrouble: OnTrouble) {
    this.#directory = directory
    this.#activationMs = activationMs
    this.#now = now
    this.#onTrouble = onTrouble
  }

  /**
   * @param activationMs how long a key must have been seen before it signs, so that all servers know it by then
   * @param now milliseconds since the epoch
   * @param onTrouble told of what is wrong with the directory later on
   * @throws Error that names the file when a key is too short, or the directory has none
   */
  static async open(
    directory: string,
    activationMs: number,
    now: () => number,
    onTrouble: OnTrouble
  ): Promise<KeyRing> {
    const ring = new KeyRing(directory, activationMs, now, onTrouble)
    await ring.#load(error => {
      throw error
    })
    if (ring.#keys.length > 0) return ring
    throw new Error(`signing keys directory ${directory}: expected at least one file, found none`)
  }

  /**
   * The key to sign with: the lexically greatest that was seen for the activation time. When none was, the least: only
   * a newer one can be on its way to other servers.
   */
  async signing(): Promise<SigningKey> {
    await this.#refresh()
    const seenForMs = (kid: string) => this.#now() - Number(this.#firstSeenMs.get(kid))
    const active = this.#keys.findLast(({ kid }) => seenForMs(kid) >= this.#activationMs)
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
      await this.#load(this.#onTrouble)
      this.#unknownSinceMs.set(kid, this.#loadedAtMs)
      return this.#withId(kid) ?? { retryAfterSeconds: 5 }
    }
    return this.#now() - sinceMs < unknownKeyPatienceMs ? { retryAfterSeconds: 5 } : undefined
  }

  #withId(kid: string): SigningKey | undefined {
    return this.#keys.find(key => key.kid === kid)
  }

  async #refresh(): Promise<void> {
    if (this.#now() - this.#loadedAtMs >= refreshAfterMs) await this.#load(this.#onTrouble)
  }

  async #load(onTrouble: OnTrouble): Promise<void> {
    this.#loadedAtMs = this.#now()
    try {
      this.#keys = await readKeys(this.#directory, onTrouble)
    } catch (error) {
      onTrouble(error)
    }
    for (const { kid } of this.#keys) {
      const seenMs = this.#keys.length === 1 ? Number.NEGATIVE_INFINITY : this.#now()
      if (!this.#firstSeenMs.has(kid)) this.#firstSeenMs.set(kid, seenMs)
    }
  }
}

type OnTrouble = (error: unknown) => void

/** The usable keys of a directory by name; the others are told to `onTrouble`. */
async function readKeys(directory: string, onTrouble: OnTrouble): Promise<readonly SigningKey[]> {
  const keys: SigningKey[] = []
  for (const kid of (await readdir(directory)).sort()) {
    const path = join(directory, kid)
    // A mounted Secret has its own bookkeeping beside the keys, in names that begin with a dot.
    if (kid.startsWith('.') || !(await stat(path)).isFile()) continue
    const secret = await readFile(path)
    if (secret.length >= minKeyBytes) keys.push({ kid, secret })
    else
      onTrouble(
        new Error(`signing key ${path}: expected at least ${minKeyBytes} bytes, found ${secret.length}`)
      )
  }
  return keys
}

/** Makes the directory with one random key where there is none: for a server that only this machine can reach. */
export async function ensureKey(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if ((await readdir(directory)).length > 0) return
  await writeFile(join(directory, 'key-1'), randomBytes(minKeyBytes), { mode: 0o600, flush: true })
}
