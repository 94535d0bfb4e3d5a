import type { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { StagingError } from '../../shared/errors.ts'

/** How much of a multipart body the parser takes. */
export interface MultipartLimits {
  readonly maxPartBytes: number
  readonly maxPartsCount: number
}

/** A part as it arrives: what its header says, unchecked, and its bytes. */
export interface FilePart {
  /** Empty when the part has none; so is the filename. */
  readonly name: string
  readonly filename: string
  readonly source: Readable
}

/**
 * Lets the routes of `app` take multipart bodies, every part of which is a file.
 *
 * The parser would cut names to their last part and sizes to the limit without a word: names are checked and bytes are
 * counted where they are taken, so the parser's own limits lie one beyond these.
 */
export async function registerMultipart(
  app: FastifyInstance,
  { maxPartBytes, maxPartsCount }: MultipartLimits
): Promise<void> {
  await app.register(multipart, {
    preservePath: true,
    isPartAFile: () => true,
    throwFileSizeLimit: false,
    limits: { fileSize: maxPartBytes + 1, parts: maxPartsCount + 1, files: maxPartsCount + 1 }
  })
}

/**
 * The parts of a multipart body; each one's source is read to its end before the next is asked for.
 *
 * @throws StagingError `STAGE_ERR_CLIENT_GONE`
 */
export async function* fileParts(request: FastifyRequest): AsyncGenerator<FilePart> {
  // The parser would wait for ever for a client that has gone before it began to listen.
  if (request.raw.destroyed) throw new StagingError('STAGE_ERR_CLIENT_GONE')
  for await (const part of request.parts()) {
    // The parser's types do not say that every part is a file, nor that its names can be missing.
    if (part.type === 'file')
      yield { name: part.fieldname ?? '', filename: part.filename ?? '', source: part.file }
  }
}
