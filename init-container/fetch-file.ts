import { quote } from '../shared/errors.ts'
import type { ExitCause } from '../shared/exit-codes.ts'
import type { EntryAnswer } from './entry-source.ts'
import { explainNetworkError } from './explain-network-error.ts'
import type { FetchTask } from './fetch-bundle.ts'
import { TransientError } from './fetch-error.ts'
import { PartFile } from './part-file.ts'
import { persevere } from './persevere.ts'
import type { MissingFile } from './staging-directory.ts'
import type { Tally } from './tally.ts'

/**
 * Brings the file's bytes to `partPath`: what is there already is kept, the rest is asked for by `Range` under
 * `If-Match`, as often as it takes. Bytes with a wrong digest are thrown away, and their like are no progress again.
 *
 * Why not undici's RetryAgent, which resumes too: once a body has begun, it can only fail on an answer other than the
 * awaited 206, and it drops that answer's body. A bundle revoked in the middle of a download would have no reason, and
 * a loop around it for 200, 412 and wrong digests would be needed anyway, with a second clock and a second backoff. Nor
 * could it resume after a redirect: each time, the server has to be asked where the bytes are.
 *
 * @throws FetchError
 */
export async function fetchFile(
  task: FetchTask,
  file: MissingFile,
  partPath: string,
  tally: Tally,
  signal: AbortSignal
): Promise<void> {
  await using part = await PartFile.open(partPath, signal)
  const download = new Download(task, file, part, tally)
  await persevere(task, file.path, signal, progressed => download.attempt(progressed, signal))
  tally.done()
}

class Download {
  readonly #task: FetchTask
  readonly #file: MissingFile
  readonly #part: PartFile
  readonly #tally: Tally
  /** The most bytes that were ever there: only what lies beyond is progress. */
  #mostBytes: number
  /** The host whose bytes arrive, when they are not the server's own. */
  #bucket: string | undefined

  constructor(task: FetchTask, file: MissingFile, part: PartFile, tally: Tally) {
    this.#task = task
    this.#file = file
    this.#part = part
    this.#tally = tally
    this.#mostBytes = part.sizeBytes
    tally.found(part.sizeBytes)
  }

  async attempt(progressed: () => void, signal: AbortSignal): Promise<void> {
    const mostBytes = this.#mostBytes
    this.#bucket = undefined
    try {
      await this.#bring(progressed, signal)
    } catch (error) {
      signal.throwIfAborted()
      const explained = explainNetworkError(error, this.#file.path, undefined)
      // A bucket that was cut off in the middle is as good as before; one that brings nothing, or nonsense, is not.
      if (this.#bucket !== undefined && explained instanceof TransientError) {
        const { failure } = explained
        const isUseless = failure.exit === 'damaged' || this.#mostBytes === mostBytes
        if (isUseless) this.#task.entries.avoidBucket(this.#file.path, this.#bucket, failure.found)
      }
      throw error
    }
  }

  async #bring(progressed: () => void, signal: AbortSignal): Promise<void> {
    const { sizeBytes, sha256 } = this.#file
    if (this.#part.sizeBytes > sizeBytes) await this.#startAnew()
    if (this.#part.sizeBytes < sizeBytes) {
      const rest = await this.#askForRest(signal)
      await this.#part.append(rest, countBytes => {
        this.#tally.fetched(countBytes)
        if (this.#part.sizeBytes > sizeBytes) throw this.#failure('damaged', `${sizeBytes} bytes`, 'more')
        if (this.#part.sizeBytes <= this.#mostBytes) return
        this.#mostBytes = this.#part.sizeBytes
        progressed()
      })
    }
    const foundBytes = this.#part.sizeBytes
    if (foundBytes < sizeBytes)
      throw this.#failure('gaveUp', `${sizeBytes} bytes`, `the end after ${foundBytes}`)
    const found = this.#part.digest()
    if (found === sha256) return
    await this.#startAnew()
    throw this.#failure('damaged', `sha256 ${sha256}`, `sha256 ${found}`)
  }

  /** A body that begins exactly where the part ends; a server that ignores `Range` makes the part begin again. */
  async #askForRest(signal: AbortSignal): Promise<EntryAnswer['body']> {
    const fromBytes = this.#part.sizeBytes
    const answer = await this.#task.entries.ask(this.#file, fromBytes, signal)
    this.#bucket = answer.bucket
    const failure = this.#misfit(answer, fromBytes)
    if (failure !== undefined) answer.body.destroy()
    if (failure !== undefined || answer.statusCode === 200) await this.#startAnew()
    if (failure !== undefined) throw failure
    return answer.body
  }

  #misfit({ statusCode, headers }: EntryAnswer, fromBytes: number): TransientError | undefined {
    const { sizeBytes } = this.#file
    if (statusCode === 200) {
      const found = headers['content-length'] ?? `${sizeBytes}`
      return found === `${sizeBytes}`
        ? undefined
        : this.#failure('damaged', `${sizeBytes} bytes`, `${found} bytes`)
    }
    const range = `bytes ${fromBytes}-${sizeBytes - 1}/${sizeBytes}`
    if (statusCode === 206 && fromBytes > 0 && headers['content-range'] === range) return undefined
    const found = `status ${statusCode} with Content-Range ${quote(String(headers['content-range']))}`
    return this.#failure(
      'gaveUp',
      fromBytes > 0 ? `status 206 with Content-Range ${range}` : 'status 200',
      found
    )
  }

  async #startAnew(): Promise<void> {
    this.#tally.lost(this.#part.sizeBytes)
    await this.#part.discard()
  }

  #failure(exit: ExitCause, expected: string, found: string): TransientError {
    return new TransientError({ exit, subject: this.#file.path, expected, found })
  }
}
