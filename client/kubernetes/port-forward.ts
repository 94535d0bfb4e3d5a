import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { KubeConfig } from '@kubernetes/client-node'
import { WebSocket } from 'ws'

/** One port of one pod. */
export interface PodPort {
  readonly namespace: string
  readonly pod: string
  readonly port: number
}

/** A port of this machine that stands for one in the cluster. */
export interface Forward {
  /** On 127.0.0.1. Whoever is on this machine can connect to it, and needs a credential as everywhere. */
  readonly port: number
  close(): Promise<void>
}

/**
 * Listens on loopback and takes each connection to a pod through the API server, each over a WebSocket of its own
 * (Kubernetes' port-forward over `v4.channel.k8s.io`: a channel of bytes and one of errors, each message begins with its
 * channel's number, each channel with the port as two bytes).
 *
 * Neither side is read faster than the other takes. A connection that cannot be made is closed: to who made it, the
 * server is away, and it asks again.
 *
 * @param findPod asked for each connection: pods come and go
 * @param failed told why a connection could not be made or was cut
 */
export async function forwardPort(
  config: KubeConfig,
  findPod: () => Promise<PodPort>,
  failed: (error: unknown) => void
): Promise<Forward> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: false, pauseOnConnect: true }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    carry(config, findPod, socket).catch(error => {
      failed(error)
      socket.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  // A boundary: a server that listens on an address has one with a port.
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    close: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    }
  }
}

/** Which channels there are when one port is asked for. */
const bytesChannel = 0
const errorChannel = 1
const portBytes = 2

async function carry(config: KubeConfig, findPod: () => Promise<PodPort>, socket: Socket): Promise<void> {
  const { namespace, pod, port } = await findPod()
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/portforward?ports=${port}`
  const greeted = new Set<number>()
  let webSocket: WebSocket | undefined
  let reason = ''
  const receive = (channel: number, message: Buffer): boolean => {
    const bytes = greeted.has(channel) ? message : message.subarray(portBytes)
    greeted.add(channel)
    if (channel === errorChannel) reason += bytes.toString()
    if (channel !== bytesChannel || bytes.length === 0) return reason === ''
    if (!socket.write(bytes)) {
      webSocket?.pause()
      socket.once('drain', () => webSocket?.resume())
    }
    return true
  }
  const connected = await connect(config, path, receive)
  webSocket = connected
  socket.on('close', () => connected.close())
  const closed = once(connected, 'close').finally(() => socket.end())
  if (socket.destroyed) connected.close()
  await Promise.all([closed, send(socket, connected)])
  if (reason !== '') throw new Error(reason)
}

/** @throws Error with the status that the API server answered with */
async function connect(
  config: KubeConfig,
  path: string,
  receive: (channel: number, message: Buffer) => boolean
): Promise<WebSocket> {
  const options = {}
  await config.applyToHTTPSOptions(options)
  const url = new URL(path, config.getCurrentCluster()?.server)
  const webSocket = new WebSocket(url, ['v4.channel.k8s.io'], options)
  webSocket.on('error', () => webSocket.terminate())
  // From the start: the first messages come together with the answer.
  webSocket.on('message', (message: Buffer) => {
    if (!receive(message.readUInt8(0), message.subarray(1))) webSocket.close()
  })
  await once(webSocket, 'open', { signal: AbortSignal.timeout(connectMs) })
  return webSocket
}

const connectMs = 15_000

/** Sends what comes from `socket`, one piece after the other is taken. */
async function send(socket: Socket, webSocket: WebSocket): Promise<void> {
  try {
    for await (const bytes of socket) {
      const message = Buffer.concat([Buffer.of(bytesChannel), bytes as Buffer])
      await new Promise<void>((resolve, reject) => {
        webSocket.send(message, error => (error ? reject(error) : resolve()))
      })
    }
  } catch (error) {
    // Whoever hung up knows it.
    if (webSocket.readyState === webSocket.OPEN && !socket.destroyed) throw error
  }
}
