import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fetchDefaults } from '../fetch-bundle.ts'
import { explainDiskError } from '../fetch-error.ts'
import { HttpClient } from '../http-client.ts'
import { inParallel } from '../in-parallel.ts'
import type { Patience } from '../persevere.ts'
import { download } from './download.ts'
import type { ForkFolder, ForkOptions, ForkResource } from './fork-options.ts'
import { ensureFolder, moveFile, moveTree } from './move-tree.ts'
import type { RemoteFile } from './remote-file.ts'
import { unpack } from './unpack.ts'

/** Redirects of a remote file that are followed. */
const maxRedirectsCount = 5

/** One thing to fetch: an archive, or a remote file. */
interface Errand {
  readonly folder: ForkFolder
  readonly run: (partial: string, signal: AbortSignal) => Promise<void>
}

/** Fetches archives and remote files side by side, and counts what it has laid out. */
export class ForkRun {
  readonly #options: ForkOptions
  readonly #task: Patience
  /** So far. */
  done = { fileCount: 0, sizeBytes: 0 }

  constructor(options: ForkOptions, task: Patience) {
    this.#options = options
    this.#task = task
  }

  /** @throws FetchError of the first thing that fails; the others are stopped then */
  async fetchAll(signal: AbortSignal): Promise<void> {
    const errands = [...this.#options.folders.flatMap(folder => this.#errandsOf(folder)).entries()]
    await inParallel(errands, fetchDefaults.parallelCount, signal, async ([index, errand], both) => {
      try {
        await this.#runAside(errand, index, both)
      } catch (error) {
        both.throwIfAborted()
        throw explainDiskError(error, errand.folder.into)
      }
    })
  }

  /** Gives an errand a new folder of its own, on the file system of its files' place, and removes it in the end. */
  async #runAside({ folder, run }: Errand, index: number, signal: AbortSignal): Promise<void> {
    await ensureFolder(folder.into)
    const partial = join(folder.into, `.partial-${index}`)
    const remove = () => rm(partial, { recursive: true, force: true, maxRetries: 3 })
    await remove()
    await mkdir(partial)
    try {
      await run(partial, signal)
    } finally {
      await remove()
    }
  }

  #errandsOf(folder: ForkFolder): readonly Errand[] {
    const errand = (run: Errand['run']): Errand => ({ folder, run })
    const { resource, remote } = folder
    const archives = resource === undefined ? [] : [resource]
    return [
      ...archives.map(each => errand((partial, signal) => this.#fetchArchive(folder, each, partial, signal))),
      ...remote.map(each => errand((partial, signal) => this.#fetchRemote(folder, each, partial, signal)))
    ]
  }

  async #fetchArchive(
    { kind, into }: ForkFolder,
    { server, id, secretFile }: ForkResource,
    partial: string,
    signal: AbortSignal
  ): Promise<void> {
    const subject = `${kind}.tgz`
    const { caFile } = this.#options
    // The fork sends the bare secret, and its file says by the URL whether it may cross the network in clear.
    const access = { tokenFile: secretFile, scheme: '', allowPlaintext: true, stallMs: fetchDefaults.stallMs }
    await using client = await HttpClient.open({ server, caFile, ...access })
    const archive = join(partial, 'archive')
    const path = `/api/v0/resources/${encodeURIComponent(id)}`
    await download(this.#task, { subject, client, path }, archive, signal)
    const unpacked = join(partial, 'unpacked')
    await mkdir(unpacked)
    const { fileCount, sizeBytes } = await unpack(subject, archive, unpacked, this.#task.surroundings, signal)
    await moveTree(unpacked, into)
    this.#tell(subject, fileCount, sizeBytes)
  }

  async #fetchRemote(
    { into }: ForkFolder,
    { name, url }: RemoteFile,
    partial: string,
    signal: AbortSignal
  ): Promise<void> {
    const how = { allowPlaintext: true, stallMs: fetchDefaults.stallMs, maxRedirectsCount }
    await using client = await HttpClient.open({ server: new URL(url.origin), ...how })
    const part = join(partial, 'file')
    const path = url.pathname + url.search
    const sizeBytes = await download(this.#task, { subject: name, client, path }, part, signal)
    await moveFile(part, join(into, name))
    this.#tell(name, 1, sizeBytes)
  }

  #tell(subject: string, fileCount: number, sizeBytes: number): void {
    this.done = { fileCount: this.done.fileCount + fileCount, sizeBytes: this.done.sizeBytes + sizeBytes }
    this.#task.report.event('info', 'laid out', { file: subject, fileCount, sizeBytes })
  }
}
