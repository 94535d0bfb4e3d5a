import type { Readable, Writable } from 'node:stream'

/** What is known of bytes that were stored: their size and their digest, lowercase hex. */
export interface StoredBytes {
  readonly sizeBytes: number
  readonly sha256: string
}

/** Half-open byte range `[start, end)`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** What the bytes of a {@link StorageDriver.put} must be to become visible. */
export interface PutExpectations {
  /** More bytes than this are refused. */
  readonly limitBytes: number
  /** The exact size, when it is known before. */
  readonly sizeBytes?: number
  /** The digest, lowercase hex, when it is known before. */
  readonly sha256?: string
}

/** The disk that a store is on, in bytes. */
export interface StoreSpace {
  readonly totalBytes: number
  /** What this process may still write. */
  readonly freeBytes: number
}

/** A small object with the version that {@link StorageDriver.replace} compares. */
export interface SmallObject {
  readonly text: string
  /** Opaque; changes whenever the text does. */
  readonly version: string
}

/** Bytes that are open for reading: removing them meanwhile does not cut the reader off. */
export interface OpenBytes {
  /**
   * Writes the opened range to `sink`, at the sink's pace, and leaves the sink open.
   *
   * @throws the sink's or the store's error; then nobody knows how many bytes went out
   */
  sendTo(sink: Writable, signal: AbortSignal): Promise<void>
  /** Gives back what the reader holds; must be called exactly once. */
  close(): Promise<void>
}

/**
 * Where a server keeps everything: bytes of any size under `put`/`open`, and small objects (at most a few MiB of text)
 * under `create`/`replace`/`read`, which are how concurrent writers agree.
 *
 * Keys are paths of `/`-separated components, minted by the server; a driver never sees a client's file name. A key
 * ending in `/` names a folder; folders exist as long as they hold something.
 *
 * What a method has answered survives a crash of the machine. A method that fails leaves nothing new behind; only where
 * something was to be replaced, either may be there afterwards.
 * (Where it fails as `unavailable`, nobody can know.) All failures are {@link StorageError}s, except the client's own fault in `put`: those are errors of the error table.
 */
export interface StorageDriver {
  /** For logs: which kind of store this is. */
  readonly name: string

  /**
   * Streams `source` to `key`, replacing what was there. The bytes become visible, whole, only when they are what was
   * expected and stored for good. The memory of the chunks that `source` yields is the driver's from then on.
   *
   * @throws StagingError `STAGE_ERR_TOO_LARGE`, `STAGE_ERR_SIZE`, `STAGE_ERR_DIGEST` when the bytes are not as expected
   */
  put(key: string, source: Readable, expected: PutExpectations, signal: AbortSignal): Promise<StoredBytes>

  /**
   * Gives `to` the bytes of `from` without moving them through this process.
   *
   * @returns false when `from` does not exist (any more) or the store cannot share it: the bytes must come another way
   */
  copy(from: string, to: string): Promise<boolean>

  /** @throws StorageError `not-found` before the first byte, never after it */
  open(key: string, range: ByteRange): Promise<OpenBytes>

  /** How many bytes the object under `key` has. @throws StorageError `not-found` */
  sizeOf(key: string): Promise<number>

  /** Creates a small object if there is none under `key`. @returns whether this call created it */
  create(key: string, text: string): Promise<boolean>

  /** @throws StorageError `not-found` */
  read(key: string): Promise<SmallObject>

  /** Swaps the text if `version` is still the current one. @returns false when it is not, or the object is gone */
  replace(key: string, text: string, version: string): Promise<boolean>

  /**
   * The names directly in `folder`, sorted by code unit, greater than `after`, at most `limit`. Those of folders end in
   * `/`. An absent folder is empty.
   *
   * @param after a name that a list ended with, or what is less than any
   */
  list(folder: string, after: string, limit: number): Promise<readonly string[]>

  /** Removes objects of both sorts. What is already gone is not an error. */
  delete(keys: readonly string[]): Promise<void>

  /**
   * Gives up the writes below `folder` that were begun and not finished, whoever began them; what is finished stays. A
   * store in which nothing unfinished outlives its process does not have this.
   */
  abortUnfinished?(folder: string): Promise<void>

  /**
   * A URL under which whoever has it can read the bytes of `key`, and nothing else, for so many seconds, straight from
   * the store. It is a secret. A store that others cannot reach does not have this.
   */
  presign?(key: string, seconds: number, contentType: string): Promise<string>

  /**
   * How many milliseconds the clock of the store is ahead of this process's, as far as its answers have told; a store
   * without a clock of its own does not have this.
   */
  clockAheadMs?(): number

  /** How much room there is; a store that knows no bounds of its own does not have this. */
  space?(): Promise<StoreSpace>

  /** Writes and removes a little something, to learn whether the store takes writes. */
  probe(): Promise<void>

  /** How many writes were begun and not finished: those that run, and those that a crash cut off. */
  countUnfinished(): Promise<number>

  /** Lets go of the store; whatever is called after it fails, but another `close`. */
  close(): Promise<void>
}

/**
 * Why a store failed: the only reasons the rest of the server tells apart. `unavailable` is a store on the network that
 * gives no good answer at the moment: what was asked of it may have been done, or be done yet.
 */
export type StorageFailure = 'not-found' | 'no-space' | 'busy' | 'unavailable' | 'broken'

/** A failure of the store itself. Its message is for the log: it may name paths. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly failure: StorageFailure
  /** What an operator can do about it, where that is known: for everyone to see. */
  readonly todo: string | undefined

  constructor(failure: StorageFailure, message: string, cause?: unknown, todo?: string) {
    super(message, cause === undefined ? {} : { cause })
    this.failure = failure
    this.todo = todo
  }
}

/** Whether an error leaves open what was done: then it may also be done yet, after whatever is done about it. */
export function isInDoubt(error: unknown): boolean {
  return error instanceof StorageError && error.failure === 'unavailable'
}

/** Reads a small object that may not be there. @returns undefined when it is not */
export async function readIfThere(store: StorageDriver, key: string): Promise<SmallObject | undefined> {
  try {
    return await store.read(key)
  } catch (error) {
    if (error instanceof StorageError && error.failure === 'not-found') return undefined
    throw error
  }
}

/**
 * The names in a folder that are greater than `from`, all of them, in pages of `pageSize`: memory stays flat however
 * many there are.
 */
export async function* listAll(
  store: StorageDriver,
  folder: string,
  pageSize = 1000,
  from = ''
): AsyncGenerator<string> {
  let after = from
  while (true) {
    const page = await store.list(folder, after, pageSize)
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return
    after = last
  }
}

/** The names of the folders directly in `folder`, without their `/`. */
export async function* listFolders(store: StorageDriver, folder: string): AsyncGenerator<string> {
  for await (const name of listAll(store, folder)) {
    if (name.endsWith('/')) yield bareName(name)
  }
}

/** A name in a list, without the `/` of a folder. */
export function bareName(name: string): string {
  return name.endsWith('/') ? name.slice(0, -1) : name
}
