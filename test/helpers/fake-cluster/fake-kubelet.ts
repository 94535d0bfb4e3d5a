import { connect } from 'node:net'
import type { WebSocket } from 'ws'

/** The channels of a port-forward of one port. */
export const channels = { bytes: 0, error: 1 } as const

/** A message of a channel. */
export function message(channel: number, bytes: Buffer | string): Buffer {
  return Buffer.concat([Buffer.of(channel), Buffer.from(bytes)])
}

/** Says on both channels which port they are for, as a kubelet does first. */
export function greet(webSocket: WebSocket): void {
  const port = Buffer.of(0x40, 0x1f)
  webSocket.send(message(channels.bytes, port))
  webSocket.send(message(channels.error, port))
}

/** What a kubelet does with a port-forward: a connection to a port of this machine in the pod's stead. */
export function connectTo(port: number): (webSocket: WebSocket) => void {
  return webSocket => {
    const socket = connect(port, '127.0.0.1')
    greet(webSocket)
    webSocket.on('message', (bytes: Buffer) => void socket.write(bytes.subarray(1)))
    webSocket.on('close', () => socket.destroy())
    socket.on('data', bytes => webSocket.send(message(channels.bytes, bytes)))
    socket.on('error', error => webSocket.send(message(channels.error, String(error.message))))
    socket.on('close', () => webSocket.close(1000))
  }
}
