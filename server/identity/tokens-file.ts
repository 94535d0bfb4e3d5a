import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { StagingError } from '../../shared/errors.ts'
import { checkNamespace, isSha256 } from '../../shared/names.ts'
import type { Principal, UploadIdentity } from './upload-identity.ts'

/** One row of the tokens file. */
interface KnownToken {
  /** Lowercase hex of the SHA-256 of the upload credential. */
  readonly sha256: string
  /** Who holds it. */
  readonly principal: string
  /** Where its holder may upload; `*` stands for every namespace. */
  readonly namespaces: readonly string[]
}

/**
 * Upload credentials from a file that holds only their SHA-256, so that reading it lets nobody in:
 * `{"tokens": [{"sha256": "…", "principal": "ci", "namespaces": ["team-a"]}]}`.
 *
 * The file is read again when it has changed. While it cannot be read or is wrong, nobody may upload: a credential that
 * was just taken out must not live on because of a slip of the pen beside it.
 */
export class TokensFile implements UploadIdentity {
  readonly name = 'tokens'
  readonly #path: string
  #tokens: readonly KnownToken[] = []
  /** Changes whenever the file does. */
  #version = ''

  private constructor(path: string) {
    this.#path = path
  }

  /** @throws Error that names the file and what is wrong with it */
  static async open(path: string): Promise<TokensFile> {
    const file = new TokensFile(path)
    await file.#refresh()
    return file
  }

  async identify(credential: string | undefined): Promise<Principal> {
    try {
      await this.#refresh()
    } catch (cause) {
      throw new StagingError('STAGE_ERR_IDENTITY', { retryAfterSeconds: 10, cause })
    }
    const digest = createHash('sha256')
      .update(credential ?? '')
      .digest()
    let found: KnownToken | undefined
    // Every row is compared, so the time taken tells nothing.
    for (const token of this.#tokens) {
      if (timingSafeEqual(Buffer.from(token.sha256, 'hex'), digest)) found = token
    }
    if (credential === undefined || found === undefined) throw new StagingError('STAGE_ERR_CREDENTIAL')
    const { principal, namespaces } = found
    const missingRight = async (namespace: string) =>
      namespaces.includes(namespace) || namespaces.includes('*')
        ? undefined
        : { expected: 'a namespace of the credential', found: namespace }
    return { name: principal, missingRight }
  }

  async #refresh(): Promise<void> {
    const { mtimeMs, ino, size } = await stat(this.#path)
    const version = `${mtimeMs} ${ino} ${size}`
    if (version === this.#version) return
    this.#version = ''
    this.#tokens = parseTokens(await readFile(this.#path, 'utf8'), this.#path)
    this.#version = version
  }
}

function parseTokens(text: string, path: string): readonly KnownToken[] {
  try {
    const tokens = parseJson(text)?.tokens
    if (!Array.isArray(tokens)) throw new Error('expected {"tokens": […]}')
    return tokens.map(checkToken)
  } catch (cause) {
    throw new Error(`upload tokens file ${path}: ${(cause as Error).message}`, { cause })
  }
}

/** JSON.parse quotes what it cannot read, and here that may be a secret that someone put into the file by mistake. */
function parseJson(text: string): { readonly tokens?: unknown } | null {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('expected JSON')
  }
}

function checkToken(row: Partial<KnownToken> | null, index: number): KnownToken {
  const { sha256, principal, namespaces } = row ?? {}
  if (typeof sha256 !== 'string' || !isSha256(sha256)) {
    throw new Error(`token ${index}: expected "sha256" as 64 lowercase hex digits`)
  }
  if (typeof principal !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(principal)) {
    throw new Error(`token ${index}: expected "principal" as 1 to 255 visible ASCII characters`)
  }
  if (!Array.isArray(namespaces) || namespaces.length === 0) {
    throw new Error(`token ${index}: expected "namespaces" as a list of at least one`)
  }
  for (const namespace of namespaces) if (namespace !== '*') checkNamespace(String(namespace))
  return { sha256, principal, namespaces }
}
