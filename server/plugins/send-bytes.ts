import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Bundles, FoundEntry } from '../staging/bundles.ts'
import type { ByteRange, OpenBytes } from '../storage/storage-driver.ts'
import { clientSignal } from './client-signal.ts'
import type { DownloadQueue } from './download-queue.ts'

/** An answer with bytes of an entry: its status, all of its headers, and which bytes. */
export interface EntryBytes {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly entry: FoundEntry
  readonly range: ByteRange
  /** See `Waiting`. */
  readonly longestWaitMs?: number
}

/**
 * Answers with bytes of an entry when their turn comes. An answer without any has no turn to wait for.
 *
 * @throws StagingError `STAGE_ERR_BUSY`; `STAGE_ERR_GONE` when the bundle has ended meanwhile
 */
export async function sendBytes(
  request: FastifyRequest,
  reply: FastifyReply,
  {
    bundles,
    downloads
  }: { readonly bundles: Pick<Bundles, 'read' | 'open'>; readonly downloads: DownloadQueue },
  { entry, range, longestWaitMs, ...head }: EntryBytes
): Promise<void> {
  if (request.method === 'HEAD' || range.start === range.end) {
    beginAnswer(reply, head)
    reply.raw.end()
    return
  }
  const signal = clientSignal(reply)
  const waiting = { signal, ...(longestWaitMs === undefined ? {} : { longestMs: longestWaitMs }) }
  await downloads.run(waiting, async hasWaited => {
    if (hasWaited) await bundles.read(entry.in.namespace, entry.in.bundleId)
    const bytes = await bundles.open(entry, range)
    await sendOpened(request, reply, head, bytes, signal)
  })
}

type AnswerHead = Pick<EntryBytes, 'status' | 'headers'>

/** Sends opened bytes and closes them. A failure on the way cuts the connection. */
async function sendOpened(
  request: FastifyRequest,
  reply: FastifyReply,
  head: AnswerHead,
  bytes: OpenBytes,
  signal: AbortSignal
): Promise<void> {
  try {
    beginAnswer(reply, head)
    await bytes.sendTo(reply.raw, signal)
    reply.raw.end()
  } catch (error) {
    if (!request.raw.socket.destroyed) request.log.error({ err: error }, 'download failed')
    // The only way left to say that the body is not complete.
    reply.raw.destroy()
  } finally {
    await bytes.close()
  }
}

function beginAnswer(reply: FastifyReply, { status, headers }: AnswerHead): void {
  // Straight to the socket: Fastify would pipe, and a pipe cannot say when a buffer may be used again.
  reply.hijack()
  reply.raw.writeHead(status, headers)
}
