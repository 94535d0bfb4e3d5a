import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Test } from 'tap'

/**
 * An HTTP front before `target`, closed at the end of the test.
 *
 * @param answer answers a request itself and says so by `true`; else the target is asked
 * @returns its URL
 */
export async function startFront(
  t: Test,
  target: string,
  answer: (incoming: IncomingMessage, outgoing: ServerResponse) => boolean
): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    if (answer(incoming, outgoing)) return
    const { method, headers } = incoming
    const onward = request(
      new URL(incoming.url ?? '/', target),
      { method: method ?? 'GET', headers },
      back => {
        outgoing.writeHead(back.statusCode ?? 502, back.headers)
        pipeline(back, outgoing).catch(() => outgoing.destroy())
      }
    )
    pipeline(incoming, onward).catch(() => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
