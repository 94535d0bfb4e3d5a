import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Test } from 'tap'
import { hourMs, KiB, MiB } from '../../../shared/units.ts'
import { sha256sums, writeRandomFile } from './files.ts'
import { KeptBundles } from './kept-bundles.ts'
import { fetchInto, namespace, put } from './programs.ts'
import type { Replicas } from './replicas.ts'

/** Beside files that nobody has staged before, each submission has these. */
const sharedSizes = [1, 100 * KiB, 3 * MiB] as const

/** How long a few submissions may take, whatever the store does. */
const patienceMs = 90_000

/** The sizes of new files: below a part, and a few parts. */
const newSizes = [2 * KiB, 300 * KiB, 16 * MiB] as const

/**
 * Submissions, one after the other in each of several places: `spark-stage put`, then the init container. Each has to
 * succeed by the retries of these programs alone.
 */
export class PutAndFetch {
  /** What went wrong. */
  readonly failures: string[] = []
  /** What was staged and laid out. */
  readonly kept = new KeptBundles(hourMs)
  readonly #t: Test
  readonly #replicas: Replicas
  #shared: readonly string[] = []
  #isOver = false
  #working: Promise<unknown> = Promise.resolve()

  constructor(t: Test, replicas: Replicas) {
    this.#t = t
    this.#replicas = replicas
  }

  async start(placesCount: number): Promise<void> {
    const { home } = this.#replicas
    this.#shared = await Promise.all(
      sharedSizes.map((sizeBytes, index) => writeRandomFile(join(home, `shared-${index}`), sizeBytes))
    )
    this.#working = Promise.all(Array.from({ length: placesCount }, () => this.#submitOn()))
  }

  /** Resolves once so many more submissions have succeeded. @throws Error when that takes too long */
  async more(count: number): Promise<void> {
    const enough = this.kept.readable.size + count
    const patience = AbortSignal.timeout(patienceMs)
    while (this.kept.readable.size < enough) await setTimeout(100, undefined, { signal: patience })
  }

  /** Lets what is under way end. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#working
  }

  async #submitOn(): Promise<void> {
    while (!this.#isOver) {
      const folder = join(this.#replicas.home, randomUUID())
      try {
        await this.#submit(folder)
      } catch (error) {
        // A boundary: the programs' ends are told as Errors.
        this.failures.push((error as Error).message)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
  }

  async #submit(folder: string): Promise<void> {
    const { url, credentialFile } = this.#replicas
    await mkdir(folder)
    const made = newSizes.map((sizeBytes, index) => writeRandomFile(join(folder, `new-${index}`), sizeBytes))
    const paths = [...this.#shared, ...(await Promise.all(made))]
    const bornAtMs = Date.now()
    const files = paths.flatMap(path => ['--file', path])
    const staged = await put(this.#t, { url, credentialFile, files, tokenFile: join(folder, 'token') })
    await fetchInto(this.#t, { url, staged, into: join(folder, 'into') })
    const sums = await sha256sums(paths)
    const laidOut = await sha256sums(paths.map(path => join(folder, 'into', 'files', basename(path))))
    for (const [name, sum] of Object.entries(sums)) {
      if (laidOut[name] !== sum) this.failures.push(`${staged.bundle}: ${name} is not what was staged`)
    }
    const digests = new Map(Object.entries(sums).map(([name, sum]) => [`files/${name}`, sum]))
    const { bundleId, token } = staged
    const keptUntilMs = bornAtMs + hourMs
    this.kept.readable.set(bundleId, { namespace, token, digests, bornAtMs, keptUntilMs })
  }
}
