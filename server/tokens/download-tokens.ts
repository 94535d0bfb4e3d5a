import jwt from 'jsonwebtoken'
import { StagingError } from '../../shared/errors.ts'
import { secondMs } from '../../shared/units.ts'
import type { KeyRing } from './key-ring.ts'

/** Anything longer is no token of ours. */
const maxTokenCharacters = 4096

/**
 * Download tokens: JWTs (HS256) that open one bundle, to read. They carry no state: whether the bundle is still there
 * is asked of its lease.
 */
export class DownloadTokens {
  readonly #keys: KeyRing
  readonly #audience: string
  readonly #now: () => number

  /**
   * @param audience the name of this instance: another instance's tokens are refused even if it shares the key
   * @param now milliseconds since the epoch
   */
  constructor(keys: KeyRing, audience: string, now: () => number) {
    this.#keys = keys
    this.#audience = audience
    this.#now = now
  }

  /** @param expiresAtMs ms since the epoch; rounded up to the next second */
  async sign(namespace: string, bundleId: string, expiresAtMs: number): Promise<string> {
    const { kid, secret } = await this.#keys.signing()
    const iat = Math.floor(this.#now() / secondMs)
    const exp = Math.ceil(expiresAtMs / secondMs)
    const claims = { sub: `${namespace}/${bundleId}`, aud: this.#audience, scope: 'read', iat, exp }
    return jwt.sign(claims, secret, { algorithm: 'HS256', keyid: kid })
  }

  /**
   * Resolves when `token` opens this bundle.
   *
   * @throws StagingError `STAGE_ERR_TOKEN`, one and the same whatever is wrong; `STAGE_ERR_KEY_UNKNOWN` while the key
   *   that signed it may still be on its way to this server
   */
  async verify(token: string | undefined, namespace: string, bundleId: string): Promise<void> {
    if ((await this.#subjectOf(token)) !== `${namespace}/${bundleId}`)
      throw new StagingError('STAGE_ERR_TOKEN')
  }

  /**
   * The namespace of the bundle that `token` opens, for a request that names only the bundle.
   *
   * @throws StagingError as {@link verify}
   */
  async findNamespace(token: string | undefined, bundleId: string): Promise<string> {
    const [namespace = '', id] = (await this.#subjectOf(token)).split('/')
    if (id !== bundleId) throw new StagingError('STAGE_ERR_TOKEN')
    return namespace
  }

  async #subjectOf(token: string | undefined): Promise<string> {
    if (token === undefined || token.length > maxTokenCharacters) throw new StagingError('STAGE_ERR_TOKEN')
    const header = headerOf(token)
    if (header?.alg !== 'HS256' || typeof header.kid !== 'string') throw new StagingError('STAGE_ERR_TOKEN')
    const key = await this.#keys.find(header.kid)
    if (key === undefined) throw new StagingError('STAGE_ERR_TOKEN')
    if (!('secret' in key)) throw new StagingError('STAGE_ERR_KEY_UNKNOWN', key)
    try {
      const claims = jwt.verify(token, key.secret, {
        algorithms: ['HS256'],
        audience: this.#audience,
        clockTimestamp: Math.floor(this.#now() / secondMs)
      })
      // Claims without the audience have been refused, so these are not a mere text.
      const { sub, exp, scope } = claims as jwt.JwtPayload
      if (sub === undefined || exp === undefined || scope !== 'read') throw new Error('claims are missing')
      return sub
    } catch (cause) {
      throw new StagingError('STAGE_ERR_TOKEN', { cause })
    }
  }
}

function headerOf(token: string): { readonly alg?: unknown; readonly kid?: unknown } | undefined {
  try {
    return jwt.decode(token, { complete: true })?.header
  } catch {
    return undefined
  }
}
