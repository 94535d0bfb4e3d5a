import type { ReadEntry } from 'tar'
import { quote } from '../../shared/errors.ts'
import type { ExitCause } from '../../shared/exit-codes.ts'
import { checkName } from '../../shared/names.ts'
import { KiB, MiB } from '../../shared/units.ts'
import { FetchError } from '../fetch-error.ts'

/** What a member takes on disk beside its bytes, at least. */
const memberBytes = 4 * KiB

/** Nothing that people pack shrinks more than this; an archive that does, and grows beyond the bytes below, is a bomb. */
const maxRatio = 500
const harmlessBytes = 64 * MiB

/** What was unpacked. */
export interface Unpacked {
  readonly memberCount: number
  readonly fileCount: number
  /** Bytes of the files. */
  readonly sizeBytes: number
}

/**
 * Looks at an archive while it is unpacked, and says no. It never throws from within the parser, which would not get
 * over it: the first failure is kept until {@link throwIfFailed}.
 */
export class ArchiveCheck {
  readonly #subject: string
  readonly #freeBytes: number
  readonly #bombBytes: number
  #takenBytes = 0
  #found: Unpacked = { memberCount: 0, fileCount: 0, sizeBytes: 0 }
  #failure: unknown

  /**
   * @param archiveBytes the size of the archive as it came
   * @param freeBytes what may be written at most
   */
  constructor(subject: string, archiveBytes: number, freeBytes: number) {
    this.#subject = subject
    this.#freeBytes = freeBytes
    this.#bombBytes = Math.max(harmlessBytes, maxRatio * archiveBytes)
  }

  get found(): Unpacked {
    return this.#found
  }

  /** Whether a member may be written; sets the mode it is written with. */
  accepts(entry: ReadEntry): boolean {
    if (this.#failure !== undefined) return false
    const wrong = whatIsWrong(entry)
    if (wrong !== undefined) this.#refuse('damaged', 'only files and folders with plain names', wrong)
    this.#take(memberBytes)
    this.#checkSpace(this.#takenBytes + entry.size)
    const isFile = entry.type !== 'Directory'
    const { memberCount, fileCount, sizeBytes } = this.#found
    this.#found = {
      memberCount: memberCount + 1,
      fileCount: fileCount + (isFile ? 1 : 0),
      sizeBytes: sizeBytes + entry.size
    }
    return this.#failure === undefined
  }

  /** Counts bytes of the unpacked archive. @throws FetchError when it is no tar, or there are too many */
  takeBytes(chunk: Buffer): void {
    // The parser would unpack once more, without an end.
    if (this.#takenBytes === 0 && chunk[0] === 0x1f)
      this.#refuse('damaged', 'a tar.gz', 'something else packed')
    this.#take(chunk.length)
    this.throwIfFailed()
  }

  fail(error: unknown): void {
    this.#failure ??= error
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #take(sizeBytes: number): void {
    this.#takenBytes += sizeBytes
    this.#checkSpace(this.#takenBytes)
  }

  #checkSpace(neededBytes: number): void {
    const needed = `at least ${neededBytes} bytes`
    if (neededBytes > this.#freeBytes)
      this.#refuse('noSpace', `an archive of at most the ${this.#freeBytes} bytes that are free`, needed)
    if (neededBytes > this.#bombBytes)
      this.#refuse('damaged', `an archive of at most ${this.#bombBytes} bytes`, needed)
  }

  #refuse(exit: ExitCause, expected: string, found: string): void {
    this.fail(new FetchError({ exit, subject: this.#subject, expected, found }))
  }
}

function whatIsWrong({ type, path }: ReadEntry): string | undefined {
  if (type !== 'File' && type !== 'OldFile' && type !== 'Directory') return `a ${type}, ${quote(path)}`
  return isPlainPath(path) ? undefined : quote(path)
}

/** Relative, and made of names that could be a bundle's; `./` before them and `/` after them mean nothing. */
function isPlainPath(path: string): boolean {
  const parts = path
    .replace(/^(?:\.\/)+/, '')
    .replace(/\/$/, '')
    .split('/')
  try {
    if (!/^\.?\/?$/.test(path) || path === '/') for (const part of parts) checkName(part)
    return true
  } catch {
    return false
  }
}
