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
