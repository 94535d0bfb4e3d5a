import type { Writable } from 'node:stream'

/** Resolves when the sink no longer refers to `piece`; rejects when it fails or closes first. */
export function writePiece(sink: Writable, piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    // A response whose connection is gone may never call back.
    const onClose = () => reject(new Error('the connection was closed'))
    if (sink.destroyed) return onClose()
    sink.once('close', onClose)
    sink.write(piece, error => {
      sink.off('close', onClose)
      if (error) reject(error)
      else resolve()
    })
  })
}
