import type { FastifyReply, FastifyRequest } from 'fastify'
import type { OpenBytes } from '../storage/storage-driver.ts'
import { clientSignal } from './client-signal.ts'

/** An answer's status and all of its headers. */
export interface AnswerHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
}

/** Answers with opened bytes and closes them. A failure on the way cuts the connection. */
export async function sendBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  bytes: OpenBytes,
  { status, headers }: AnswerHead
): Promise<void> {
  try {
    // Straight to the socket: Fastify would pipe, and a pipe cannot say when a buffer may be used again.
    reply.hijack()
    reply.raw.writeHead(status, headers)
    if (request.method === 'GET') await bytes.sendTo(reply.raw, clientSignal(reply))
    reply.raw.end()
  } catch (error) {
    if (!reply.raw.destroyed) request.log.error({ err: error }, 'download failed')
    // The only way left to say that the body is not complete.
    reply.raw.destroy()
  } finally {
    await bytes.close()
  }
}
