import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { StagingError } from '../../shared/errors.ts'
import { KiB, secondMs } from '../../shared/units.ts'
import { type AccessRule, describeAccessRule } from './access-rule.ts'
import type { Cluster } from './kubernetes-cluster.ts'
import { type ReviewedUser, reviewAccess, reviewToken } from './reviews.ts'
import type { MissingRight, Principal, UploadIdentity } from './upload-identity.ts'

/** What came of a question to the API server, or that it was not asked because the answer was still known. */
export type ReviewOutcome = 'granted' | 'refused' | 'failed' | 'remembered'

export interface KubernetesTokensOptions {
  readonly cluster: Pick<Cluster, 'ask'>
  /** Tokens are good only when they are meant for it. */
  readonly audience: string
  readonly access: AccessRule
  /** Milliseconds since some moment; nobody can set it. */
  readonly steady: () => number
  readonly countReview: (outcome: ReviewOutcome) => void
}

/** Longer than any token that Kubernetes gives out. */
const maxTokenBytes = 16 * KiB

/** How long an answer counts. A right that is taken away ends within the first, a new one counts within the second. */
const grantedForMs = 10 * secondMs
const refusedForMs = 2 * secondMs

/** Answers that are remembered, and questions that are under way; more are told to come again. */
const maxAnswersCount = 10_000
const maxQuestionsCount = 100

/** After a question that could not be answered, the same is not worth asking for so long. */
const retryAfterSeconds = 2

/**
 * Upload credentials that are Kubernetes tokens: a TokenReview says whose one is, and whether it is meant for this
 * instance; a SubjectAccessReview says whether they may do in a namespace what uploading into it takes.
 *
 * Answers count for seconds. Whatever else the API server says or does not say, nobody is let in: an answer that is over
 * is never used, however long there is no other.
 */
export class KubernetesTokens implements UploadIdentity {
  readonly name = 'kubernetes'
  readonly #options: KubernetesTokensOptions
  readonly #users: Remembered<ReviewedUser | undefined>
  readonly #rights: Remembered<MissingRight | undefined>

  constructor(options: KubernetesTokensOptions) {
    this.#options = options
    this.#users = new Remembered(options, user => user !== undefined)
    this.#rights = new Remembered(options, missing => missing === undefined)
  }

  async identify(credential: string | undefined): Promise<Principal> {
    const { cluster, audience } = this.#options
    const refused = { expected: `a Kubernetes token with the audience ${audience}` }
    if (credential === undefined || Buffer.byteLength(credential) > maxTokenBytes) {
      throw new StagingError('STAGE_ERR_CREDENTIAL', refused)
    }
    // The token itself is kept nowhere.
    const digest = createHash('sha256').update(credential).digest('hex')
    const user = await this.#users.ask(digest, () => reviewToken(cluster, credential, audience))
    if (user === undefined) throw new StagingError('STAGE_ERR_CREDENTIAL', refused)
    return { name: user.username, missingRight: namespace => this.#missingRight(digest, user, namespace) }
  }

  #missingRight(digest: string, user: ReviewedUser, namespace: string): Promise<MissingRight | undefined> {
    const { cluster, access } = this.#options
    return this.#rights.ask(`${digest} ${namespace}`, async () => {
      if (await reviewAccess(cluster, user, access, namespace)) return undefined
      return {
        expected: `${describeAccessRule(access)} in namespace ${namespace}`,
        found: `no such right of ${user.username}`
      }
    })
  }
}

/** Answers, each for as long as it counts; the same question is asked once at a time. */
class Remembered<Answer> {
  readonly #options: KubernetesTokensOptions
  readonly #isGrant: (answer: Answer) => boolean
  readonly #answers: LRUCache<string, { readonly answer: Answer }>
  readonly #questions = new Map<string, Promise<Answer>>()

  constructor(options: KubernetesTokensOptions, isGrant: (answer: Answer) => boolean) {
    this.#options = options
    this.#isGrant = isGrant
    this.#answers = new LRUCache({
      max: maxAnswersCount,
      ttlResolution: 0,
      perf: { now: options.steady }
    })
  }

  /** @throws StagingError `STAGE_ERR_IDENTITY` when `question` throws, or too many are under way */
  async ask(key: string, question: () => Promise<Answer>): Promise<Answer> {
    const known = this.#answers.get(key)
    if (known !== undefined) {
      this.#options.countReview('remembered')
      return known.answer
    }
    const running = this.#questions.get(key)
    if (running !== undefined) return running
    if (this.#questions.size >= maxQuestionsCount) {
      throw new StagingError('STAGE_ERR_IDENTITY', { retryAfterSeconds: 1 })
    }
    const asked = this.#askNow(key, question).finally(() => this.#questions.delete(key))
    this.#questions.set(key, asked)
    return asked
  }

  async #askNow(key: string, question: () => Promise<Answer>): Promise<Answer> {
    const { steady, countReview } = this.#options
    const askedAtMs = steady()
    try {
      const answer = await question()
      const isGranted = this.#isGrant(answer)
      // It counts from when it was asked for: what changed while it was on its way is not known for longer.
      const ttl = (isGranted ? grantedForMs : refusedForMs) - (steady() - askedAtMs)
      if (ttl > 0) this.#answers.set(key, { answer }, { ttl })
      countReview(isGranted ? 'granted' : 'refused')
      return answer
    } catch (cause) {
      countReview('failed')
      throw new StagingError('STAGE_ERR_IDENTITY', { retryAfterSeconds, cause })
    }
  }
}
