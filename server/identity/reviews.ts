import Type, { type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import type { AccessRule } from './access-rule.ts'
import type { Cluster } from './kubernetes-cluster.ts'

const Texts = Type.Array(Type.String())

/** Go leaves out what is false or empty. */
const TokenReview = Type.Object({
  status: Type.Object({
    authenticated: Type.Optional(Type.Boolean()),
    audiences: Type.Optional(Texts),
    user: Type.Optional(
      Type.Object({
        username: Type.Optional(Type.String()),
        uid: Type.Optional(Type.String()),
        groups: Type.Optional(Texts),
        extra: Type.Optional(Type.Record(Type.String(), Texts))
      })
    )
  })
})

const AccessReview = Type.Object({
  status: Type.Object({ allowed: Type.Boolean(), denied: Type.Optional(Type.Boolean()) })
})

/** Someone as the API server knows them. */
export interface ReviewedUser {
  readonly username: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/**
 * Whose token it is, if it is one for `audience`.
 *
 * @returns undefined when it is no token, is over, or is meant for another audience
 * @throws Error when the API server cannot say, or says something else
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
 */
export async function reviewToken(
  cluster: Pick<Cluster, 'ask'>,
  token: string,
  audience: string
): Promise<ReviewedUser | undefined> {
  const group = 'authentication.k8s.io'
  const spec = { token, audiences: [audience] }
  const { status } = await review(cluster, group, 'TokenReview', spec, TokenReview)
  if (status.authenticated !== true) return undefined
  // An authenticator that knows of no audiences names none: then nobody has said that the token is for us.
  if (!status.audiences?.includes(audience)) return undefined
  const { username, ...user } = { ...status.user }
  if (username === undefined || username === '') throw new Error('the TokenReview names no user')
  return { username, ...user }
}

/**
 * Whether someone may do in a namespace what a rule says.
 *
 * @throws Error when the API server cannot say, or says something else
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
 */
export async function reviewAccess(
  cluster: Pick<Cluster, 'ask'>,
  { username, ...user }: ReviewedUser,
  access: AccessRule,
  namespace: string
): Promise<boolean> {
  const group = 'authorization.k8s.io'
  const spec = { user: username, ...user, resourceAttributes: { ...access, namespace } }
  const { status } = await review(cluster, group, 'SubjectAccessReview', spec, AccessReview)
  return status.allowed && status.denied !== true
}

async function review<Schema extends TSchema>(
  cluster: Pick<Cluster, 'ask'>,
  group: string,
  kind: string,
  spec: object,
  schema: Schema
): Promise<Static<Schema>> {
  const apiVersion = `${group}/v1`
  const { status, body } = await cluster.ask(`/apis/${apiVersion}/${kind.toLowerCase()}s`, {
    apiVersion,
    kind,
    spec
  })
  // Of an answer that is an error only the number is shown: the rest may repeat what was sent.
  if (status !== 200 && status !== 201) throw new Error(`the ${kind} was answered ${status}`)
  if (!Value.Check(schema, body)) throw new Error(`the ${kind} has no answer of the expected form`)
  return body
}
