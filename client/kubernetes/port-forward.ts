import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** A port of this machine that stands for one in the cluster. */
export interface Forward {
  /** On 127.0.0.1. Whoever is on this machine can connect to it, and needs a credential as everywhere. */
  readonly port: number
  /** Ends the listening and all connections. */
  close(): Promise<void>
}

/**
 * Listens on loopback and gives each connection a way of its own. A connection whose way cannot be opened, or is cut, is
 * closed: to who made it the server is away, and it asks again.
 *
 * @param open opens a way
 * @param failed told why a way could not be opened or was cut
 */
export async function forwardPort(
  open: (signal: AbortSignal) => Promise<Duplex>,
  failed: (error: Error) => void
): Promise<Forward> {
  const closing = new AbortController()
  const { signal } = closing
  const carry = async (socket: Socket): Promise<void> => {
    try {
      await pipeline(socket, await open(signal), socket, { signal })
    } catch (error) {
      // A boundary: streams fail with errors that have a code. Who hung up, or closed all, knows it.
      const { code } = error as NodeJS.ErrnoException
      if (!signal.aborted && code !== 'ERR_STREAM_PREMATURE_CLOSE') failed(error as Error)
    } finally {
      socket.destroy()
    }
  }
  const running = new Set<Promise<void>>()
  const server = createServer({ pauseOnConnect: true }, socket => {
    const carrying = carry(socket).finally(() => running.delete(carrying))
    running.add(carrying)
  })
  // Who waits for an answer has a connection of its own; this one keeps nobody from ending.
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  return {
    // A boundary: a server that listens on an address has one with a port.
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      closing.abort()
      await Promise.all([closed, ...running])
    }
  }
}
