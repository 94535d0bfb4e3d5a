import type { Test } from 'tap'
import type { Entry } from '../../shared/manifest.ts'
import { blobPath, bundlePath, bundlesPath } from '../../shared/paths.ts'
import { type Answer, call, download, type Listening, stage, upload } from './call.ts'
import { credential, sha256 } from './start-server.ts'

/** A bundle that can be read. */
interface Readable {
  readonly token: string
  /** What was staged, by path. */
  readonly files: Readonly<Record<string, string>>
}

/** What a server has answered with success, request by request, and so has to keep. */
export interface Answered {
  /** Bundles that can be read: everything that was staged must be there. */
  readonly readable: Map<string, Readable>
  /** Bundles whose revocation was answered. */
  readonly revoked: Map<string, string>
}

const headers = { authorization: `Bearer ${credential}` }
const shotFiles = {
  'a.txt': 'first file',
  'b.bin': 'second file',
  'empty.txt': '',
  'copy-of-a.txt': 'first file'
}
const draftFiles = { 'a.txt': shotFiles['a.txt'], 'only in drafts.txt': 'content of its own' }

export interface SubmissionOptions {
  /** Whether the requests have an `Idempotency-Key`, so that all of it can be said again. Default: yes. */
  readonly keyed?: boolean
  readonly onAnswer?: (answer: Answer) => void
}

/**
 * Goes through everything that changes a store: a one-shot upload, a draft with its blobs and commit, a second draft
 * that claims the bytes of the first, renewal, revocation.
 *
 * @param answered is told of each success as it comes
 * @returns the answers, in order; a failed one ends the row
 */
export async function submit(
  server: Listening,
  answered: Answered,
  options: SubmissionOptions = {}
): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  const keep = (answer: Answer): Answer => {
    answers.push(answer)
    options.onAnswer?.(answer)
    if (answer.status >= 300) throw new StoppedAt(answers)
    return answer
  }
  try {
    const parts = Object.entries(shotFiles).map(([name, content]) => ['files', name, content] as const)
    const shot = keep(await stage(server, parts, options.keyed === false ? {} : { key: 'one-shot' }))
    answered.readable.set(shot.json.bundleId, { token: shot.json.token, files: byPath(shotFiles) })

    const draft = await submitDraft(server, options.keyed === false ? undefined : 'draft', keep)
    answered.readable.set(draft.json.bundleId, { token: draft.json.token, files: byPath(draftFiles) })
    const claim = await submitDraft(server, options.keyed === false ? undefined : 'claim', keep)
    answered.readable.set(claim.json.bundleId, { token: claim.json.token, files: byPath(draftFiles) })

    keep(await upload(server, 'POST', `${bundlePath('team-a', draft.json.bundleId)}/renew`))
    // From here on it may be gone, though nobody was told yet.
    answered.readable.delete(draft.json.bundleId)
    keep(await upload(server, 'DELETE', bundlePath('team-a', draft.json.bundleId)))
    answered.revoked.set(draft.json.bundleId, draft.json.token)
  } catch (error) {
    if (!(error instanceof StoppedAt)) throw error
  }
  return answers
}

/** Asserts that a server has kept what it, or the one before it on the same store, has answered. */
export async function assertKept(t: Test, server: Listening, { readable, revoked }: Answered): Promise<void> {
  for (const [bundleId, { token, files }] of readable) {
    const manifest = await download(server, bundleId, token)
    t.equal(manifest.status, 200, `manifest of ${bundleId}`)
    const listed = Object.fromEntries(
      (manifest.json.entries ?? []).map((entry: Entry) => [entry.path, entry.sha256])
    )
    const staged = Object.fromEntries(Object.entries(files).map(([path, content]) => [path, sha256(content)]))
    t.strictSame(listed, staged, `entries of ${bundleId}`)
    for (const [path, content] of Object.entries(files)) {
      const found = await download(server, bundleId, token, `/entries/${path}`)
      t.equal(found.bytes.toString(), content, `${path} of ${bundleId}`)
    }
  }
  for (const [bundleId, token] of revoked) {
    t.match((await download(server, bundleId, token)).error, { code: 'STAGE_ERR_GONE', reason: 'revoked' })
  }
}

async function submitDraft(
  server: Listening,
  key: string | undefined,
  keep: (answer: Answer) => Answer
): Promise<Answer> {
  const contents = Object.entries(draftFiles)
  const entries = contents.map(([name, content]) => ({
    kind: 'files',
    name,
    sizeBytes: content.length,
    sha256: sha256(content)
  }))
  const declared = keep(
    await call(server, 'POST', bundlesPath('team-a'), {
      headers: {
        ...headers,
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key })
      },
      body: JSON.stringify({ entries })
    })
  )
  const { bundleId, missing } = declared.json
  for (const digest of missing) {
    const [, body = ''] = contents.find(([, content]) => sha256(content) === digest) ?? []
    keep(await call(server, 'PUT', blobPath('team-a', bundleId, digest), { headers, body }))
  }
  return keep(await upload(server, 'POST', `${bundlePath('team-a', bundleId)}/commit`))
}

function byPath(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`files/${name}`, content]))
}

class StoppedAt extends Error {
  readonly answers: readonly Answer[]
  constructor(answers: readonly Answer[]) {
    super(`answered ${answers.at(-1)?.status}`)
    this.answers = answers
  }
}
