import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Test } from 'tap'
import { certificates } from './certificates.ts'

/** Starts an https server on 127.0.0.1 that ends with the test. @returns its port */
export async function startHttps(
  t: Test,
  certificate: 'good' | 'ended',
  listener: RequestListener
): Promise<number> {
  const server = createServer({ key: certificates.key, cert: certificates[certificate] }, listener)
  // A client that does not trust the certificate hangs up.
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/**
 * Starts a proxy on 127.0.0.1 that tunnels every CONNECT to one port of this machine, and ends with the test.
 *
 * @returns its URL, and what it was asked for
 */
export async function startTunnel(t: Test, port: number) {
  const asked: { readonly target: string | undefined; readonly authorization: string | undefined }[] = []
  const server = createHttpServer()
  server.on('connect', ({ url, headers }, near) => {
    asked.push({ target: url, authorization: headers['proxy-authorization'] })
    const far = connect(port, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 OK\r\n\r\n')
      far.pipe(near)
      near.pipe(far)
    })
    for (const [socket, other] of [
      [near, far],
      [far, near]
    ] as const) {
      socket.on('error', () => other.destroy())
      socket.on('close', () => other.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
