import type { Socket } from 'node:net'

/** Bytes that went over connections, in both directions. */
export interface TrafficBytes {
  readonly receivedBytes: number
  readonly sentBytes: number
}

/** Counts what goes over the connections it is shown. Nothing is done for a byte: connections count their own. */
export class Traffic {
  readonly #open = new Set<Socket>()
  #closedReceivedBytes = 0
  #closedSentBytes = 0

  /** How many connections are open. */
  get connectionsCount(): number {
    return this.#open.size
  }

  /** Counts a new connection until it closes. */
  watch = (socket: Socket): void => {
    this.#open.add(socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#closedReceivedBytes += socket.bytesRead
      this.#closedSentBytes += socket.bytesWritten
    })
  }

  /** What went over all connections so far. */
  bytes(): TrafficBytes {
    let receivedBytes = this.#closedReceivedBytes
    let sentBytes = this.#closedSentBytes
    for (const { bytesRead, bytesWritten } of this.#open) {
      receivedBytes += bytesRead
      sentBytes += bytesWritten
    }
    return { receivedBytes, sentBytes }
  }
}
