import { bundlesPath } from '../../../shared/paths.ts'
import { MiB } from '../../../shared/units.ts'
import { type Answer, call, type Listening } from '../../helpers/call.ts'

const head = '--B\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\n'
const tail = '\r\n--B--\r\n'

/** What a one-shot upload of one file sends. */
export interface OneShot {
  readonly credential: string
  readonly chunks: () => AsyncGenerator<Buffer>
  readonly sizeBytes: number
  /** Whether the request says how long it is. */
  readonly isAnnounced: boolean
}

/** Stages one file in one request, as it is made. */
export function postOne(
  server: Listening,
  { credential, chunks, sizeBytes, isAnnounced }: OneShot
): Promise<Answer> {
  async function* body() {
    yield Buffer.from(head)
    yield* chunks()
    yield Buffer.from(tail)
  }
  const length = { 'content-length': String(head.length + sizeBytes + tail.length) }
  return call(server, 'POST', bundlesPath('team-a'), {
    body: ReadableStream.from(body()),
    duplex: 'half',
    headers: {
      authorization: `Bearer ${credential}`,
      'content-type': 'multipart/form-data; boundary=B',
      ...(isAnnounced ? length : {})
    }
  })
}

export async function* zeros(sizeBytes: number): AsyncGenerator<Buffer> {
  for (let sentBytes = 0; sentBytes < sizeBytes; sentBytes += MiB) yield Buffer.alloc(MiB)
}
