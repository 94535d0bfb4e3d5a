import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { StagingError } from '../../shared/errors.ts'
import { KiB, MiB } from '../../shared/units.ts'
import { fileParts } from '../plugins/multipart.ts'
import { parseOwner, type ResourcesOwner } from './owner.ts'

/** An owner with a hundred of the longest labels fits. */
const maxOwnerBytes = 64 * KiB

/** What may lie beside the two parts that count; it is read and dropped. */
const maxOtherBytes = 1 * MiB

/** The two parts of an upload, in whichever order they come: `resources` and `resourcesOwner`. */
export class UploadForm {
  readonly #request: FastifyRequest
  readonly #allowed: readonly string[] | undefined
  #owner: ResourcesOwner | undefined
  #otherBytes = 0

  /** @param allowed the namespaces that an owner may have; undefined means all */
  constructor(request: FastifyRequest, allowed: readonly string[] | undefined) {
    this.#request = request
    this.#allowed = allowed
  }

  /** Whose the file is, once all parts have arrived. @throws StagingError `STAGE_ERR_BAD_REQUEST` when nobody is named */
  get owner(): ResourcesOwner {
    if (this.#owner !== undefined) return this.#owner
    throw wrongParts('resourcesOwner', 'none')
  }

  /**
   * The one file of the form.
   *
   * @throws StagingError `STAGE_ERR_BAD_REQUEST`, `STAGE_ERR_BAD_NAMESPACE`, `STAGE_ERR_TOO_LARGE`
   */
  async *files<File>(toFile: (source: Readable) => File): AsyncGenerator<File> {
    let foundCount = 0
    for await (const { name, source } of fileParts(this.#request)) {
      if (name === 'resources') {
        foundCount += 1
        if (foundCount > 1) throw wrongParts('resources', 'a second one')
        yield toFile(source)
      } else if (name === 'resourcesOwner') {
        if (this.#owner !== undefined) throw wrongParts('resourcesOwner', 'a second one')
        this.#owner = parseOwner(await readOwner(source), this.#allowed)
      } else await this.#drop(source)
    }
    if (foundCount === 0) throw wrongParts('resources', 'none')
  }

  async #drop(source: Readable): Promise<void> {
    for await (const chunk of source) {
      this.#otherBytes += chunk.length
      if (this.#otherBytes > maxOtherBytes) throw tooLarge('other parts', maxOtherBytes)
    }
  }
}

async function readOwner(source: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of source) {
    sizeBytes += chunk.length
    if (sizeBytes > maxOwnerBytes) throw tooLarge('resourcesOwner', maxOwnerBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function wrongParts(subject: string, found: string): StagingError {
  return new StagingError('STAGE_ERR_BAD_REQUEST', { subject, expected: `one part named ${subject}`, found })
}

function tooLarge(subject: string, limitBytes: number): StagingError {
  const expected = `at most ${limitBytes} bytes`
  return new StagingError('STAGE_ERR_TOO_LARGE', { subject, expected, found: 'more bytes' })
}
