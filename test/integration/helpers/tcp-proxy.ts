import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'

/** A network between a client and a server that a test can count and disturb. */
export interface TcpProxy {
  readonly url: string
  /** Bytes that left the client. */
  readonly upBytes: number
  /** Bytes that came back to it. */
  readonly downBytes: number
  /** Connections opened so far. */
  readonly connectionCount: number
}

/** What moves through a proxy, as it moves: called before each chunk goes on, which waits for it. */
export interface ProxyOptions {
  readonly onUp?: (link: Link) => void | Promise<void>
  readonly onDown?: (link: Link) => void | Promise<void>
}

/** One connection through a proxy. */
export interface Link {
  /** 1 for the first connection. */
  readonly number: number
  /** Bytes of all connections so far, this chunk included. */
  readonly movedBytes: number
  /** Breaks the connection on both sides at once. */
  cut(): void
  /** Resolves when the client has closed the connection. */
  readonly clientClosed: Promise<unknown>
}

/** Passes TCP connections on to `target` until the end of the test. */
export async function startProxy(t: Test, target: string, options: ProxyOptions = {}): Promise<TcpProxy> {
  const { hostname, port } = new URL(target)
  const proxy = { url: '', upBytes: 0, downBytes: 0, connectionCount: 0 }
  const sockets = new Set<Socket>()
  const server = createServer(client => {
    proxy.connectionCount += 1
    const number = proxy.connectionCount
    const upstream = connect(Number(port), hostname)
    sockets.add(client).add(upstream)
    const clientClosed = new Promise(resolve => client.once('close', resolve))
    const cut = () => {
      client.resetAndDestroy()
      upstream.destroy()
    }
    const up = meter(chunkBytes => {
      proxy.upBytes += chunkBytes
      return options.onUp?.({ number, movedBytes: proxy.upBytes, cut, clientClosed })
    })
    const down = meter(chunkBytes => {
      proxy.downBytes += chunkBytes
      return options.onDown?.({ number, movedBytes: proxy.downBytes, cut, clientClosed })
    })
    // What breaks on one side breaks the other.
    pipeline(client, up, upstream).catch(() => client.destroy())
    pipeline(upstream, down, client).catch(() => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return proxy
}

function meter(onChunk: (chunkBytes: number) => void | Promise<void>): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      Promise.resolve(onChunk(chunk.length)).then(() => done(null, chunk), done)
    }
  })
}
