import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaValidationError
} from 'fastify'
import { type ErrorCode, type ErrorDetails, StagingError } from '../../shared/errors.ts'
import { kinds } from '../../shared/names.ts'
import { MiB } from '../../shared/units.ts'
import { StorageError } from '../storage/storage-driver.ts'

/** Ten thousand entries with the longest names fit. */
export const maxJsonBytes = 8 * MiB

/** What Fastify and its plugins refuse by themselves, in the words of our table. A test finds codes that are missing. */
export const fastifyCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_VALIDATION: 'STAGE_ERR_BAD_REQUEST',
  FST_ERR_BAD_URL: 'STAGE_ERR_BAD_REQUEST',
  FST_ERR_MAX_PARAM_LENGTH: 'STAGE_ERR_BAD_REQUEST',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'STAGE_ERR_BAD_REQUEST',
  FST_ERR_CTP_INVALID_JSON_BODY: 'STAGE_ERR_BAD_REQUEST',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'STAGE_ERR_BAD_REQUEST',
  FST_ERR_CTP_BODY_TOO_LARGE: 'STAGE_ERR_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'STAGE_ERR_MEDIA_TYPE',
  FST_ERR_NOT_FOUND: 'STAGE_ERR_NOT_FOUND',
  // Of QUERY, which Fastify looks into before it finds that no route takes it.
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: 'STAGE_ERR_NOT_FOUND',
  FST_ERR_ROUTE_MISSING_CONTENT: 'STAGE_ERR_NOT_FOUND',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'STAGE_ERR_MEDIA_TYPE',
  FST_PROTO_VIOLATION: 'STAGE_ERR_BAD_KIND',
  FST_PARTS_LIMIT: 'STAGE_ERR_TOO_MANY_ENTRIES',
  FST_FILES_LIMIT: 'STAGE_ERR_TOO_MANY_ENTRIES',
  FST_FIELDS_LIMIT: 'STAGE_ERR_TOO_MANY_ENTRIES',
  FST_REQ_FILE_TOO_LARGE: 'STAGE_ERR_TOO_LARGE',
  FST_MP_PREMATURE_CLOSE: 'STAGE_ERR_BAD_REQUEST'
}

/** When a store that gave no good answer is worth another try. */
const storeRetrySeconds = 3

/** What uploads are sent as. */
export const uploadMediaTypes = 'multipart/form-data with the files, or application/json that announces them'

/** What would have been right where the refusal itself does not say. */
const expectations: Readonly<Partial<Record<ErrorCode, string>>> = {
  STAGE_ERR_MEDIA_TYPE: uploadMediaTypes,
  STAGE_ERR_TOO_LARGE: `at most ${maxJsonBytes} bytes of JSON`,
  STAGE_ERR_BAD_KIND: `one of ${kinds.join(', ')}`
}

/** What the multipart parser finds wrong with a body; it gives these errors no code. */
const malformedMultipart = /^Multipart: |^Unexpected end of multipart data$| terminated early due to /

/** Answers every error as JSON of the one table. */
export function registerErrors(app: FastifyInstance): void {
  app.decorateRequest('errorCode', undefined)
  app.setErrorHandler((error: FastifyError, request, reply) =>
    answerError(toStagingError(error, reply), request, reply)
  )
  app.setNotFoundHandler((request, reply) => {
    const found = `${request.method} ${request.url.split('?')[0]}`
    return answerError(new StagingError('STAGE_ERR_NOT_FOUND', { subject: found }), request, reply)
  })
}

/** Answers what Fastify refuses before it looks for a route. */
export function answerFrameworkError(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply
): void {
  answerError(toStagingError(error, reply), request, reply)
}

/**
 * Answers what is not even a request. One that takes too long to arrive is dropped without a word: the fork's client
 * takes every 408 for an invitation to try again at once. So is what comes after an answer on the same connection: it
 * may be under way still.
 */
export function answerClientError(this: FastifyInstance, error: NodeJS.ErrnoException, socket: Socket): void {
  if (socket.writable && socket.bytesWritten === 0 && error.code !== 'ERR_HTTP_REQUEST_TIMEOUT') {
    const requestId = randomUUID()
    const details = { expected: 'a whole HTTP/1.1 request', found: String(error.code) }
    const body = JSON.stringify(new StagingError('STAGE_ERR_BAD_REQUEST', details).toBody(requestId))
    // Nothing else of the error: it carries the bytes that came, secrets and all.
    this.log.info({ reqId: requestId, found: details.found }, 'not a request')
    socket.write('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n')
    socket.write('content-type: application/json; charset=utf-8\r\n')
    socket.write(`content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }
  socket.destroySoon()
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The code this request was answered with, if it failed: for the log. */
    errorCode: ErrorCode | undefined
  }
}

function answerError(error: StagingError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (isForOperators(error)) request.log.error({ err: error, code: error.code }, 'request failed')
  // The line of its request is written already.
  if (error.code === 'STAGE_ERR_CLIENT_GONE')
    request.log.info({ code: error.code }, 'nothing kept of a cut request')
  request.errorCode = error.code
  // A refused upload is still arriving; a kept-alive socket full of it would hold close() open.
  if (!request.raw.complete) reply.header('connection', 'close')
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  const { retryAfterSeconds } = error.details
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds)
  return reply.code(error.status).send(error.toBody(request.id))
}

/** Whether somebody has to look at it; that a quota or a queue is full, clients find out and figures show. */
function isForOperators({ status, code }: StagingError): boolean {
  const passing: readonly ErrorCode[] = ['STAGE_ERR_QUOTA', 'STAGE_ERR_BUSY', 'STAGE_ERR_STOPPING']
  return status >= 500 && !passing.includes(code)
}

function toStagingError(error: FastifyError, reply: FastifyReply): StagingError {
  if (error instanceof StagingError) return error
  if (reply.raw.destroyed) return new StagingError('STAGE_ERR_CLIENT_GONE', { cause: error })
  if (error instanceof StorageError && error.failure === 'no-space') {
    return new StagingError('STAGE_ERR_NO_SPACE', { cause: error })
  }
  if (error instanceof StorageError && error.failure === 'unavailable') {
    return new StagingError('STAGE_ERR_STORE_UNAVAILABLE', {
      retryAfterSeconds: storeRetrySeconds,
      cause: error
    })
  }
  const code = malformedMultipart.test(error.message) ? 'STAGE_ERR_BAD_REQUEST' : fastifyCodes[error.code]
  if (code === undefined) return new StagingError('STAGE_ERR_INTERNAL', { cause: error })
  return new StagingError(code, { ...whatWasWrong(error, code), cause: error })
}

function whatWasWrong(error: FastifyError, code: ErrorCode): ErrorDetails {
  // With ajv's "verbose", a problem also has the data that was wrong.
  const [problem] = (error.validation ?? []) as readonly (FastifySchemaValidationError & { data?: unknown })[]
  if (problem === undefined)
    return { expected: expectations[code] ?? 'a request as documented', found: shorten(error.message) }
  const where = `${error.validationContext}${problem.instancePath}`
  const found = problem.params['additionalProperty'] ?? problem.data
  return { expected: `${where} ${problem.message}`, found: shorten(JSON.stringify(found)) }
}

function shorten(text: string, limit = 200): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text
}
