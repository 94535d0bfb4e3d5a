import pMap from 'p-map'
import { entryPath, manifestPath } from '../../../shared/paths.ts'
import { secondMs } from '../../../shared/units.ts'
import { type Answer, call } from '../../helpers/call.ts'
import { sha256 } from '../../helpers/start-server.ts'

/** A bundle whose commit was answered. */
export interface KeptBundle {
  readonly namespace: string
  readonly token: string
  /** The digest of each entry, by its path. */
  readonly digests: ReadonlyMap<string, string>
  /** Before it was staged: its token lives at least from then on. */
  readonly bornAtMs: number
  /** Until when its lease lasts at least, as far as anyone was told. */
  readonly keptUntilMs: number
}

/** What servers have answered with success, and so the next one on their store has to keep. */
export class KeptBundles {
  readonly readable = new Map<string, KeptBundle>()
  readonly revoked = new Map<string, KeptBundle>()
  readonly #maxAgeMs: number

  /** @param maxAgeMs how long a download token lasts */
  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs
  }

  /** Notes that from here on a bundle may last no longer than this, though nobody was told so yet. */
  mayEndAt(bundleId: string, atMs: number): void {
    const bundle = this.readable.get(bundleId)
    if (bundle !== undefined)
      this.readable.set(bundleId, { ...bundle, keptUntilMs: Math.min(bundle.keptUntilMs, atMs) })
  }

  /** Forgets what is due or was revoked so long ago that no token is left: nothing more can be said of it. */
  forgetDue(): void {
    const nowMs = Date.now()
    for (const [bundleId, { keptUntilMs }] of this.readable) {
      if (keptUntilMs <= nowMs) this.readable.delete(bundleId)
    }
    for (const [bundleId, { bornAtMs }] of this.revoked) {
      if (bornAtMs + this.#maxAgeMs <= nowMs) this.revoked.delete(bundleId)
    }
  }

  /**
   * Downloads everything that must still be there, and asks for what must be gone. What is due may be gone, and is
   * forgotten here.
   *
   * @returns what is not as it was answered
   */
  async findBroken(url: string): Promise<readonly string[]> {
    const download = (bundleId: string) => this.download(url, bundleId)
    const broken = (await pMap(this.readable.keys(), download, { concurrency: 8 })).flat()
    for (const [bundleId, bundle] of [...this.revoked]) {
      const { status, error } = await readManifest(url, bundleId, bundle)
      // Tokens end on a whole second.
      if (Date.now() >= bundle.bornAtMs + this.#maxAgeMs - secondMs) this.revoked.delete(bundleId)
      else if (status !== 410 || error.reason !== 'revoked')
        broken.push(`${bundleId} revoked, answers ${status}`)
    }
    return broken
  }

  /** Downloads one bundle. @returns what is not as it was answered; nothing for one that may have ended */
  async download(url: string, bundleId: string): Promise<readonly string[]> {
    const before = this.readable.get(bundleId)
    if (before === undefined) return []
    const wrong = await findWrong(url, bundleId, before)
    const after = this.readable.get(bundleId)
    // Revoked meanwhile.
    if (after === undefined) return []
    if (Date.now() < after.keptUntilMs) return wrong
    // It may have ended at any moment: but bytes that came must be right.
    if (wrong.length > 0) this.readable.delete(bundleId)
    return wrong.filter(sentence => !sentence.includes('answers 4'))
  }
}

async function findWrong(url: string, bundleId: string, bundle: KeptBundle): Promise<readonly string[]> {
  const manifest = await readManifest(url, bundleId, bundle)
  if (manifest.status !== 200) return [`manifest of ${bundleId} answers ${manifest.status}`]
  const wrong: string[] = []
  for (const [path, digest] of bundle.digests) {
    const { status, bytes } = await call({ url }, 'GET', entryPath(bundle.namespace, bundleId, path), {
      headers: { authorization: `Bearer ${bundle.token}` }
    })
    if (status !== 200) wrong.push(`${path} of ${bundleId} answers ${status}`)
    else if (sha256(bytes) !== digest) wrong.push(`${path} of ${bundleId} has other bytes`)
  }
  return wrong
}

function readManifest(url: string, bundleId: string, { namespace, token }: KeptBundle): Promise<Answer> {
  const headers = { authorization: `Bearer ${token}` }
  return call({ url }, 'GET', manifestPath(namespace, bundleId), { headers })
}
