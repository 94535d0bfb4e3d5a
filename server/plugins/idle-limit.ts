import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { KiB, secondMs } from '../../shared/units.ts'
import type { Clock } from '../staging/clock.ts'

/** What a client has to send or to take, on average over the idle limit; less counts as idle. */
const slowestBytesPerSecond = 1 * KiB

/** Every request is looked at so many times within the idle limit. */
const looksCount = 6

/**
 * Cuts requests whose clients do not go on: over the last `idleSeconds` they have neither sent nor taken 1 KiB for each
 * second. A byte now and then is not enough, or a few slow clients would hold places, connections and memory for ever.
 * Only the client's own turn counts: no time that the server takes, for its disk or while a download is queued.
 */
export class IdleLimit {
  readonly #idleSeconds: number
  readonly #transfers = new Set<Transfer>()

  constructor(idleSeconds: number) {
    this.#idleSeconds = idleSeconds
  }

  /** Watches every request of `app` from its headers to the last byte of its answer. */
  register(app: FastifyInstance, every: Clock['every']): void {
    app.addHook('onRequest', async (request, reply) => {
      const transfer = new Transfer(request, reply)
      this.#transfers.add(transfer)
      reply.raw.once('close', () => this.#transfers.delete(transfer))
    })
    const stop = every((this.#idleSeconds * secondMs) / looksCount, () => this.look())
    app.addHook('onClose', async () => stop())
  }

  /** Looks at every request once; is called at even intervals. */
  look(): void {
    const leastBytes = this.#idleSeconds * slowestBytesPerSecond
    for (const transfer of this.#transfers) transfer.look(leastBytes)
  }
}

class Transfer {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  /** Bytes that the connection had moved at each look of the client's turn, the oldest first. */
  readonly #movedBytes: number[] = []

  constructor(request: FastifyRequest, reply: FastifyReply) {
    this.#request = request
    this.#reply = reply
  }

  look(leastBytes: number): void {
    if (!this.#isClientsTurn()) {
      this.#movedBytes.length = 0
      return
    }
    const { socket } = this.#request.raw
    const nowBytes = movedBytes(socket)
    this.#movedBytes.push(nowBytes)
    if (this.#movedBytes.length <= looksCount) return
    const movedLatelyBytes = nowBytes - Number(this.#movedBytes.shift())
    if (movedLatelyBytes >= leastBytes) return
    this.#request.log.info({ movedBytes: movedLatelyBytes, leastBytes }, 'client too slow')
    socket.destroy()
  }

  /** Whether bytes have to come that are not here yet, or have to be taken that lie ready. */
  #isClientsTurn(): boolean {
    const { complete, readableLength } = this.#request.raw
    return (!complete && readableLength === 0) || this.#reply.raw.writableLength > 0
  }
}

/** Bytes that have crossed a connection, in both directions. */
function movedBytes(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten - unsentBytes(socket)
}

/**
 * How much of a write that is under way has not left yet. Node counts a write as a whole as soon as it begins, and a slow
 * reader takes minutes for a large one. By this figure Node's own socket timeout, too, sees that a write goes on.
 */
function unsentBytes(socket: Socket): number {
  // A boundary: it is in no type. Without it, a write would count when it begins.
  const { _handle: handle } = socket as Socket & {
    readonly _handle?: { readonly writeQueueSize?: number } | null
  }
  return handle?.writeQueueSize ?? 0
}
