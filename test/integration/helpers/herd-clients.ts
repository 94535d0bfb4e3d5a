import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { KiB } from '../../../shared/units.ts'

// Many downloads of one file at once, in a process of their own, compared byte by byte with what they should be. Plain
// sockets that share one buffer: five hundred of them must not cost more than the server that is tried.

/** What came of one download. */
export interface HerdResult {
  /** 0 when there was no answer. */
  readonly status: number
  readonly rightBytes: number
  /** From the connection to the last byte. */
  readonly ms: number
}

const { HERD_URL = '', HERD_TOKEN = '', HERD_FILE = '', HERD_COUNT = '0' } = process.env
const expected = await readFile(HERD_FILE)
const { hostname, port, pathname } = new URL(HERD_URL)
const request = `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${HERD_TOKEN}\r\nConnection: close\r\n\r\n`
const shared = Buffer.alloc(256 * KiB)
const herd = Array.from({ length: Number(HERD_COUNT) }, download)
process.stdout.write(`${JSON.stringify({ msg: 'herd results', results: await Promise.all(herd) })}\n`)

function download(): Promise<HerdResult> {
  const beganMs = performance.now()
  let head: string | undefined = ''
  let status = 0
  let rightBytes = 0
  return new Promise(resolve => {
    const end = () => {
      socket.destroy()
      resolve({ status, rightBytes, ms: performance.now() - beganMs })
    }
    const take = (count: number) => {
      const bytes = shared.subarray(0, count)
      const body = head === undefined ? bytes : afterHead(bytes)
      if (body.equals(expected.subarray(rightBytes, rightBytes + body.length))) rightBytes += body.length
      else end()
      if (rightBytes === expected.length) end()
      return true
    }
    const afterHead = (bytes: Buffer) => {
      const text = head + bytes.toString('latin1')
      head = text
      const found = text.indexOf('\r\n\r\n')
      if (found < 0) return Buffer.alloc(0)
      const body = Buffer.from(text.slice(found + 4), 'latin1')
      status = Number(text.split(' ')[1])
      head = undefined
      return body
    }
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: { buffer: shared, callback: take }
    })
    socket.once('close', end).on('error', () => {})
    socket.write(request)
  })
}
