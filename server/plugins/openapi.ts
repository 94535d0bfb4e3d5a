import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import Type, { type TSchema } from 'typebox'
import { type ErrorBody, type ErrorCode, errorTable, StagingError } from '../../shared/errors.ts'
import type { Contract, DescribedAnswer } from './contract.ts'

/** Of the contract, not of the program. */
const contractVersion = '1.0.0'

/** What any request can be answered, whatever its route. */
const commonRefusals = [
  'STAGE_ERR_BAD_REQUEST',
  'STAGE_ERR_FOREIGN_SITE',
  'STAGE_ERR_INTERNAL'
] as const satisfies readonly ErrorCode[]

const tags: Readonly<Record<Contract['tag'], string>> = {
  uploads: 'For whoever may upload into a namespace.',
  downloads: 'For whoever holds the download token of a bundle.',
  operations: 'For operators; open to everyone who reaches the server.',
  fork: 'For the programs of the apache-spark-on-k8s fork.'
}

const securitySchemes = {
  uploadCredential: {
    type: 'http',
    scheme: 'bearer',
    description:
      'Lets its holder upload into some namespaces. Not asked for where SPARK_STAGE_UPLOAD_AUTH is none.'
  },
  downloadToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Opens one bundle, to read.'
  },
  resourceSecret: {
    type: 'apiKey',
    in: 'header',
    name: 'authorization',
    description: 'The download token as the fork sends it, without a scheme before it.'
  }
} as const satisfies Readonly<Record<NonNullable<Contract['credential']>, object>>

/** The body of every error, field by field as `ErrorBody` has it. */
const ErrorAnswer = Type.Object(
  {
    code: Type.String({ description: 'Programs decide by it.' }),
    message: Type.String({ description: 'What happened, and to which thing.' }),
    expected: Type.Optional(Type.String()),
    found: Type.Optional(Type.String()),
    limitBytes: Type.Optional(Type.Integer({ minimum: 0 })),
    usedBytes: Type.Optional(Type.Integer({ minimum: 0 })),
    askedBytes: Type.Optional(Type.Integer({ minimum: 0 })),
    largest: Type.Optional(
      Type.Array(
        Type.Object({ path: Type.String(), sizeBytes: Type.Optional(Type.Integer({ minimum: 0 })) }),
        { description: 'The largest files of the request.', maxItems: 3 }
      )
    ),
    missing: Type.Optional(Type.Array(Type.String({ description: 'SHA-256, lowercase hex.' }))),
    reason: Type.Optional(Type.String({ description: 'Why the bundle has ended.' })),
    endedAt: Type.Optional(Type.String({ format: 'date-time' })),
    retryAfterSeconds: Type.Optional(Type.Integer({ minimum: 1 })),
    todo: Type.String({ description: 'What the caller can do.' }),
    requestId: Type.String({ description: 'Names the request in the log of the server.' })
  } satisfies Record<keyof ErrorBody, TSchema>,
  { $id: 'Error', additionalProperties: false }
)

/**
 * Lets `app.swagger()` describe all routes of `app` that are registered after this. The document is made when it is first
 * asked for.
 */
export async function registerOpenapi(app: FastifyInstance): Promise<void> {
  app.addSchema(ErrorAnswer)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'spark-stage',
        version: contractVersion,
        description: 'Stages files for Spark applications on Kubernetes.',
        // The types know OpenAPI 3.0, where a licence has a URL.
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } as { name: string }
      },
      servers: [{ url: '/' }],
      components: { securitySchemes },
      tags: Object.entries(tags).map(([name, description]) => ({ name, description }))
    },
    exposeHeadRoutes: true,
    convertConstToEnum: false,
    refResolver: { buildLocalReference: ({ $id }) => String($id) },
    transform: ({ schema, url, route }) => ({
      schema: describe(route, schema),
      // An entry's path has two components, and a parameter of the document can only be one. What is also answered with
      // a slash at its end is the same route.
      url: url.replace('*', ':kind/:file').replace(/\/$/, '')
    })
  })
}

/** What the document says of one route: its contract, with the schemas that check it where the contract says no more. */
function describe({ config, method, url }: RouteOptions, checks: FastifySchema = {}): FastifySchema {
  const contract = config?.contract
  if (contract === undefined) throw new Error(`route ${method} ${url} has no contract`)
  const { operationId, summary, tag, credential, parameters, headers, body } = contract
  const isHead = method === 'HEAD'
  return {
    operationId: isHead ? `${operationId}Head` : operationId,
    summary,
    tags: [tag],
    security: credential === undefined ? [] : [{ [credential]: [] }],
    response: describeAnswers(contract, checks.response, isHead),
    ...(parameters === undefined ? {} : { params: parameters }),
    ...(checks.querystring === undefined ? {} : { querystring: checks.querystring }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body: { content: mediaTypes(body) } })
  }
}

/** An answer's body by media type, as the document has it. */
type Media = Readonly<Record<string, { readonly schema: TSchema; readonly examples?: object }>>

/** Headers that answers of a status may have. */
const refusalHeaders: Readonly<Record<number, DescribedAnswer['headers']>> = {
  401: { 'www-authenticate': Type.String({ description: 'Always Bearer.' }) },
  409: { 'retry-after': Type.String({ description: 'Seconds, where asking again makes sense.' }) },
  503: { 'retry-after': Type.String({ description: 'Seconds.' }) }
}

function describeAnswers(contract: Contract, checks: unknown, isHead: boolean): Record<string, unknown> {
  // A boundary: a route's response schemas are by status.
  const schemas = (checks ?? {}) as Readonly<Record<string, TSchema>>
  const answers: Record<string, unknown> = {}
  for (const [status, answer] of Object.entries(contract.answers)) {
    const schema = schemas[status]
    const content = answer.content ?? (schema && { 'application/json': schema }) ?? {}
    answers[status] = describeAnswer(answer, mediaTypes(content), isHead)
  }
  for (const [status, codes] of codesByStatus([...commonRefusals, ...contract.refusals])) {
    const description = codes.map(code => `${code}: ${errorTable[code].sentence}.`).join(' ')
    const headers = refusalHeaders[status] ?? {}
    answers[status] = describeAnswer({ description, headers }, errorMedia(codes), isHead)
  }
  return answers
}

/** In the words of the plugin. An answer to HEAD has no body. */
function describeAnswer(
  { description, headers = {} }: DescribedAnswer,
  content: Media,
  isHead: boolean
): object {
  const hasBody = !isHead && Object.keys(content).length > 0
  return { 'x-response-description': description, headers, ...(hasBody ? { content } : { type: 'null' }) }
}

function errorMedia(codes: readonly ErrorCode[]): Media {
  const schema = Type.Intersect([Type.Ref('Error#'), Type.Object({ code: Type.Enum([...codes]) })])
  const examples = Object.fromEntries(
    codes.map(code => [code, { value: new StagingError(code).toBody('req-4f') }])
  )
  return { 'application/json': { schema, examples } }
}

function codesByStatus(codes: readonly ErrorCode[]): Map<number, readonly ErrorCode[]> {
  return Map.groupBy(new Set(codes), code => errorTable[code].status)
}

function mediaTypes(schemas: Readonly<Record<string, TSchema>>): Media {
  return Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema }]))
}
