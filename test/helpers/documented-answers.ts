import type { FastifyInstance } from 'fastify'

/** The document of a server, as far as tests look into it. */
export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Operation {
  readonly operationId: string
  readonly responses: Readonly<Record<string, Response>>
}

interface Response {
  readonly content?: Readonly<Record<string, { readonly schema: Schema }>>
}

interface Schema {
  readonly allOf?: readonly {
    readonly properties?: { readonly code?: { readonly enum?: readonly string[] } }
  }[]
}

/** What servers with the same routes answer: hundreds of them are started, and making a document takes its time. */
const known = new Map<string, ReadonlySet<string>>()

/** The document that a server gives of itself. */
export function documentOf(server: FastifyInstance): ApiDocument {
  // A boundary: the plugin's type is of all versions of OpenAPI at once.
  return server.swagger() as unknown as ApiDocument
}

/** A route's pattern as the document writes it. */
export function documentedPath(pattern: string): string {
  const path = pattern.replace('*', '{kind}/{file}').replaceAll(/:(\w+)/g, '{$1}')
  return path.replace(/(.)\/$/, '$1')
}

/** Watches the answers of a server. @returns what says which of them its document does not have */
export function watchAnswers(server: FastifyInstance): () => readonly string[] {
  const answers = new Set<string>()
  server.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () => {
      const { url } = request.routeOptions
      if (url === undefined || !reply.raw.writableFinished) return
      const code = request.method === 'HEAD' ? undefined : request.errorCode
      answers.add(nameOf(request.method, documentedPath(url), reply.raw.statusCode, code))
    })
  })
  return () => {
    const routes = server.printRoutes()
    const documented = known.get(routes) ?? documentedAnswers(documentOf(server))
    known.set(routes, documented)
    return [...answers].filter(answer => !documented.has(answer))
  }
}

/** Each answer that a document knows: method, path, status and, for an error, its code. */
function documentedAnswers({ paths }: ApiDocument): ReadonlySet<string> {
  const answers = new Set<string>()
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { responses }] of Object.entries(operations)) {
      for (const [status, { content }] of Object.entries(responses)) {
        const codes = content?.['application/json']?.schema.allOf?.[1]?.properties?.code?.enum
        for (const code of codes ?? [undefined]) answers.add(nameOf(method, path, status, code))
      }
    }
  }
  return answers
}

function nameOf(method: string, path: string, status: number | string, code: string | undefined): string {
  return `${method.toUpperCase()} ${path} ${status}${code === undefined ? '' : ` ${code}`}`
}
