import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { blobPath, bundlePath, bundlesPath, entryPath } from '../../../shared/paths.ts'
import { secondMs } from '../../../shared/units.ts'
import { type Answer, call, type Listening, upload } from '../../helpers/call.ts'
import { credential } from '../../helpers/start-server.ts'
import type { MadeBytes } from './made-bytes.ts'

/** Declares a draft of one file, `files/f`. @returns its id */
export async function declare(server: Listening, { sizeBytes, sha256 }: MadeBytes): Promise<string> {
  const entries = [{ kind: 'files', name: 'f', sizeBytes, sha256 }]
  const answer = await untilServed(() => upload(server, 'POST', bundlesPath('team-a'), { entries }))
  return expect(answer, 201).json.bundleId
}

/** Sends a draft its one file. @param chunks its bytes, or what comes in their place */
export async function send(
  server: Listening,
  bundleId: string,
  file: MadeBytes,
  chunks = file.chunks
): Promise<void> {
  const headers = { authorization: `Bearer ${credential}`, 'content-length': `${file.sizeBytes}` }
  const path = blobPath('team-a', bundleId, file.sha256)
  const put = () =>
    call(server, 'PUT', path, { body: ReadableStream.from(chunks()), duplex: 'half', headers })
  expect(await untilServed(put), 201)
}

/** @returns the download token */
export async function commit(server: Listening, bundleId: string): Promise<string> {
  const path = `${bundlePath('team-a', bundleId)}/commit`
  return expect(await untilServed(() => upload(server, 'POST', path)), 200).json.token
}

/** Downloads the file of a bundle. @returns the digest of what came */
export async function digestOf(server: Listening, bundleId: string, token: string): Promise<string> {
  const answer = await fetch(server.url + entryPath('team-a', bundleId, 'files/f'), {
    headers: { authorization: `Bearer ${token}` }
  })
  const hash = createHash('sha256')
  for await (const chunk of answer.body ?? []) hash.update(chunk)
  return hash.digest('hex')
}

function expect(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer
  throw new Error(`expected ${status}, answered ${answer.status}: ${answer.bytes}`)
}

/** Asks again while the answer is to come again, as every client does. */
async function untilServed(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask()
    const afterSeconds = answer.headers.get('retry-after')
    if (afterSeconds === null) return answer
    await setTimeout(Number(afterSeconds) * secondMs)
  }
}
