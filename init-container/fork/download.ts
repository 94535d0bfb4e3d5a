import { dirname } from 'node:path'
import { TransientError } from '../fetch-error.ts'
import { checkFreeSpace } from '../free-space.ts'
import type { Answer, HttpClient } from '../http-client.ts'
import { PartFile } from '../part-file.ts'
import { type Patience, persevere } from '../persevere.ts'

/** Something to download whose size and digest nobody has told before. */
export interface Download {
  /** Names it in errors and events. */
  readonly subject: string
  readonly client: HttpClient
  /** Path and query of its URL. */
  readonly path: string
}

/**
 * Brings a body to the new file `partPath`, asking as often as it takes. After a cut it goes on where it stopped if the
 * server gave a strong `ETag`, and otherwise begins anew.
 *
 * @returns bytes of the body
 * @throws FetchError
 */
export async function download(
  task: Patience,
  { subject, client, path }: Download,
  partPath: string,
  signal: AbortSignal
): Promise<number> {
  await using part = await PartFile.open(partPath, signal)
  let etag: string | undefined
  let mostBytes = 0
  await persevere(task, subject, signal, async progressed => {
    if (etag === undefined) await part.discard()
    const wanted = askFor(part.sizeBytes, etag)
    const answer = await client.get(subject, path, wanted, signal)
    if (!isRest(answer, part.sizeBytes)) {
      etag = undefined
      await part.discard()
      refuseOther(answer, subject)
    }
    await refuseTooBig(answer, partPath, task)
    etag = strongTag(answer)
    await part.append(answer.body, () => {
      if (part.sizeBytes <= mostBytes) return
      mostBytes = part.sizeBytes
      progressed()
    })
  })
  return part.sizeBytes
}

function askFor(fromBytes: number, etag: string | undefined): Readonly<Record<string, string>> {
  if (etag === undefined || fromBytes === 0) return {}
  return { range: `bytes=${fromBytes}-`, 'if-range': etag }
}

function isRest({ statusCode, headers }: Answer, fromBytes: number): boolean {
  return statusCode === 206 && String(headers['content-range']).startsWith(`bytes ${fromBytes}-`)
}

/** @throws TransientError for an answer that is not the whole body */
function refuseOther({ statusCode, body }: Answer, subject: string): void {
  if (statusCode === 200) return
  body.destroy()
  throw new TransientError({
    exit: 'gaveUp',
    subject,
    expected: 'status 200',
    found: `status ${statusCode}`
  })
}

async function refuseTooBig({ headers, body }: Answer, partPath: string, task: Patience): Promise<void> {
  try {
    await checkFreeSpace(dirname(partPath), Number(headers['content-length'] ?? 0), task.surroundings)
  } catch (error) {
    body.destroy()
    throw error
  }
}

function strongTag({ headers: { etag } }: Answer): string | undefined {
  return typeof etag === 'string' && etag.startsWith('"') ? etag : undefined
}
