import { setTimeout } from 'node:timers/promises'
import { blobPath, bundlePath, bundlesPath } from '../../../shared/paths.ts'
import { KiB, secondMs } from '../../../shared/units.ts'
import { type Answer, call, type Part, stage, upload } from '../../helpers/call.ts'
import { credential, sha256 } from '../../helpers/start-server.ts'
import { ownerPart, resourcesPart, send, uploadRequest } from '../../server/v0/fork-client.ts'
import type { KeptBundle, KeptBundles } from './kept-bundles.ts'
import type { Random } from './random.ts'

/** How long things last on the server that is under load, in milliseconds. */
export interface LoadTimes {
  readonly leaseMs: number
  readonly draftLeaseMs: number
}

export interface LoadOptions {
  /** A server with the tests' own credential, and with the fork's door open. */
  readonly url: string
  readonly times: LoadTimes
  readonly random: Random
  readonly kept: KeptBundles
  /** How long each worker rests after each thing it does, on average, in milliseconds; default: not at all. */
  readonly restMs?: number
}

const namespace = 'team-a'

/** The namespace that the fork's recorded request names. */
const forkNamespace = 'default'

/** So many different files there are: few enough that most are there already when they are staged. */
const contentsCount = 300

/** How many of each the load does in a hundred. */
const shares = {
  shoot: 22,
  draft: 22,
  abandon: 6,
  cut: 4,
  fork: 8,
  fetch: 22,
  renew: 6,
  revoke: 6,
  list: 4
} as const

type Action = keyof typeof shares

const actions = Object.entries(shares).flatMap(([action, share]) =>
  Array<Action>(share).fill(action as Action)
)

/**
 * Everything that uses a server, many at once: one-shot uploads with and without keys, drafts with blobs and claims,
 * uploads that are left or cut, the fork's door, downloads, renewals, revocations, lists. What is answered is noted in
 * {@link KeptBundles}; what should not have been answered so, in `failures`.
 */
export class MixedLoad {
  readonly failures: string[] = []
  /** How many requests were answered. */
  answersCount = 0
  readonly #options: LoadOptions
  #isOver = false
  #mayBreak = false
  #working: Promise<unknown> = Promise.resolve()

  constructor(options: LoadOptions) {
    this.#options = options
  }

  start(workersCount: number): void {
    this.#working = Promise.all(Array.from({ length: workersCount }, () => this.#work()))
  }

  /** From here on a broken connection is no failure: the server is about to be killed. */
  expectBreak(): void {
    this.#mayBreak = true
    this.#isOver = true
  }

  /** Lets what is under way end. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#working
  }

  async #work(): Promise<void> {
    const { random, restMs = 0 } = this.#options
    while (!this.#isOver) {
      const action = random.pick(actions) ?? 'list'
      try {
        await this[action]()
      } catch (error) {
        // A boundary: whatever goes wrong in the load is an Error.
        const isBreak = !(error instanceof UnexpectedAnswer)
        if (!(isBreak && this.#mayBreak)) this.failures.push(`${action}: ${(error as Error).message}`)
      }
      if (restMs > 0) await setTimeout(random.below(2 * restMs))
    }
  }

  private async shoot(): Promise<void> {
    const { random, url } = this.#options
    const contents = this.#contents()
    const parts = contents.map((content, number): Part => ['files', `${number}`, content])
    const options = random.below(4) === 0 ? { key: `${random.seed}-${random.below(1e9)}` } : {}
    const bornAtMs = Date.now()
    const staged = this.#expect(await stage({ url }, parts, options), 201)
    this.#keep(staged.json, namespace, digestsOf(contents), bornAtMs)
    if (options.key === undefined) return
    const again = await stage({ url }, parts, options)
    if (this.#mayHaveEnded(staged.json.bundleId)) this.#expect(again, 201, 404, 410)
    else this.#expect(again, 201)
  }

  private async draft(): Promise<void> {
    await this.#stageDraft(true)
  }

  private async abandon(): Promise<void> {
    await this.#stageDraft(false)
  }

  async #stageDraft(isCommitted: boolean): Promise<void> {
    const { url, times, random } = this.#options
    const contents = this.#contents()
    const digests = digestsOf(contents)
    const bornAtMs = Date.now()
    const entries = contents.map((content, number) => {
      return { kind: 'files', name: `${number}`, sizeBytes: content.length, sha256: sha256(content) }
    })
    const declared = this.#expect(await upload({ url }, 'POST', bundlesPath(namespace), { entries }), 201)
    const { bundleId, missing } = declared.json as { bundleId: string; missing: readonly string[] }
    const expectAlive = (answer: Answer, status: number) => {
      const isLate = Date.now() - bornAtMs >= times.draftLeaseMs
      return isLate ? this.#expect(answer, status, 404, 410) : this.#expect(answer, status)
    }
    for (const digest of missing) {
      if (!isCommitted && random.below(2) === 0) return
      const body = contents.find(content => sha256(content) === digest) ?? new Uint8Array()
      const headers = { authorization: `Bearer ${credential}` }
      expectAlive(await call({ url }, 'PUT', blobPath(namespace, bundleId, digest), { headers, body }), 201)
    }
    if (!isCommitted) return
    const path = `${bundlePath(namespace, bundleId)}/commit`
    const committed = expectAlive(await upload({ url }, 'POST', path), 200)
    if (committed.status === 200) this.#keep(committed.json, namespace, digests, bornAtMs)
  }

  /** Goes away in the middle of an upload. */
  private async cut(): Promise<void> {
    const { url } = this.#options
    const abort = new AbortController()
    async function* halfBody() {
      yield Buffer.from('--B\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nhalf of it')
      abort.abort()
    }
    const headers = {
      authorization: `Bearer ${credential}`,
      'content-type': 'multipart/form-data; boundary=B'
    }
    const init = { method: 'POST', headers, body: halfBody(), duplex: 'half', signal: abort.signal } as const
    const answer = await fetch(url + bundlesPath(namespace), init).catch(() => undefined)
    if (answer !== undefined) throw new UnexpectedAnswer(`half an upload answered ${answer.status}`)
  }

  private async fork(): Promise<void> {
    const { url, times } = this.#options
    const content = contentOf(this.#options.random.below(contentsCount))
    const bornAtMs = Date.now()
    const { status, body } = await send(
      url,
      uploadRequest([resourcesPart(Buffer.from(content)), ownerPart()])
    )
    if (status === 0) throw new Error('the connection was closed')
    this.answersCount += 1
    if (status !== 200) throw new UnexpectedAnswer(`answered ${status}: ${body}`)
    const { resourceId, resourceSecret } = JSON.parse(body.toString())
    const expiresAt = new Date(bornAtMs + times.leaseMs).toISOString()
    const digests = new Map([['files/resources.tgz', sha256(content)]])
    const bundleId = resourceId.replaceAll('-', '')
    this.#keep({ bundleId, token: resourceSecret, expiresAt }, forkNamespace, digests, bornAtMs)
  }

  private async fetch(): Promise<void> {
    const { kept, url, random } = this.#options
    const bundleId = random.pick([...kept.readable.keys()])
    if (bundleId === undefined) return
    const wrong = await kept.download(url, bundleId)
    this.answersCount += 1
    if (wrong.length > 0) throw new UnexpectedAnswer(wrong.join('; '))
  }

  private async renew(): Promise<void> {
    const { kept, url, times, random } = this.#options
    const bundleId = random.pick(this.#ownBundles())
    if (bundleId === undefined) return
    // The new lease may be the shorter one, and its answer may never come.
    kept.mayEndAt(bundleId, Date.now() + times.leaseMs)
    const answer = await upload({ url }, 'POST', `${bundlePath(namespace, bundleId)}/renew`)
    if (this.#mayHaveEnded(bundleId)) return void this.#expect(answer, 200, 404, 410)
    this.#expect(answer, 200)
    const bundle = kept.readable.get(bundleId)
    const keptUntilMs = Date.parse(answer.json.expiresAt)
    if (bundle !== undefined) kept.readable.set(bundleId, { ...bundle, keptUntilMs })
  }

  private async revoke(): Promise<void> {
    const { kept, url, random } = this.#options
    const bundleId = random.pick(this.#ownBundles())
    const bundle = kept.readable.get(bundleId ?? '')
    if (bundleId === undefined || bundle === undefined) return
    // From here on it may be gone, though nobody was told yet.
    kept.readable.delete(bundleId)
    const isDue = Date.now() >= bundle.keptUntilMs - secondMs
    const answer = await upload({ url }, 'DELETE', bundlePath(namespace, bundleId))
    this.#expect(answer, 204, ...(isDue ? [404, 410] : []))
    if (!isDue) kept.revoked.set(bundleId, bundle)
  }

  private async list(): Promise<void> {
    this.#expect(await upload({ url: this.#options.url }, 'GET', bundlesPath(namespace)), 200)
  }

  /** One to four files; some of them equal. */
  #contents(): readonly Uint8Array<ArrayBuffer>[] {
    const { random } = this.#options
    return Array.from({ length: 1 + random.below(4) }, () => contentOf(random.below(contentsCount)))
  }

  #ownBundles(): readonly string[] {
    return [...this.#options.kept.readable].flatMap(([id, bundle]) =>
      bundle.namespace === namespace ? [id] : []
    )
  }

  #mayHaveEnded(bundleId: string): boolean {
    const bundle = this.#options.kept.readable.get(bundleId)
    return bundle === undefined || Date.now() >= bundle.keptUntilMs
  }

  #keep(
    answer: { readonly bundleId: string; readonly token: string; readonly expiresAt: string },
    inNamespace: string,
    digests: ReadonlyMap<string, string>,
    bornAtMs: number
  ): void {
    const { bundleId, token, expiresAt } = answer
    const bundle: KeptBundle = {
      namespace: inNamespace,
      token,
      digests,
      bornAtMs,
      keptUntilMs: Date.parse(expiresAt)
    }
    this.#options.kept.readable.set(bundleId, bundle)
  }

  #expect(answer: Answer, ...statuses: readonly number[]): Answer {
    this.answersCount += 1
    if (statuses.includes(answer.status)) return answer
    throw new UnexpectedAnswer(
      `expected ${statuses.join(' or ')}, answered ${answer.status}: ${answer.bytes}`
    )
  }
}

/** An answer came, and not the right one. */
class UnexpectedAnswer extends Error {}

/** File `number` of all that there are: from nothing to 80 KiB. */
function contentOf(number: number): Uint8Array<ArrayBuffer> {
  return Buffer.alloc((number * 7919) % (80 * KiB), `file ${number}, `)
}

/** The digest of each entry of a bundle of these files, by path. */
function digestsOf(contents: readonly Uint8Array[]): ReadonlyMap<string, string> {
  return new Map(contents.map((content, number) => [`files/${number}`, sha256(content)]))
}
