import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { ReadEntry, Unpack } from 'tar'
import { codeOf, FetchError } from '../fetch-error.ts'
import type { Surroundings } from '../surroundings.ts'
import { ArchiveCheck, type Unpacked } from './archive-check.ts'

/** Two members of one archive that are in each other's way. */
const contradictions: readonly string[] = ['EEXIST', 'EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'ENAMETOOLONG']

/**
 * Unpacks a gzipped tar into the new, empty folder `into`, which the caller removes when this fails. Anything but
 * regular files and plain folders with good names is refused before it is written.
 *
 * @param subject names the archive in errors
 * @throws FetchError `damaged` for an archive that is broken or hostile, `noSpace` for one that does not fit
 */
export async function unpack(
  subject: string,
  archive: string,
  into: string,
  { freeBytes }: Surroundings,
  signal: AbortSignal
): Promise<Unpacked> {
  const check = new ArchiveCheck(subject, (await stat(archive)).size, await freeBytes(into))
  // Late, because most runs of this program never unpack anything.
  const { Unpack } = await import('tar')
  const parser = new Unpack({
    cwd: into,
    strict: true,
    preserveOwner: false,
    noMtime: true,
    zstd: false,
    filter: (_path, entry) => check.accepts(entry as ReadEntry)
  })
  // What the parser does not know it passes over in silence; here it is a reason to refuse.
  parser.on('ignoredEntry', (entry: ReadEntry) => void check.accepts(entry))
  parser.on('error', error => check.fail(error))
  try {
    const feedParser = (chunks: AsyncIterable<Buffer>) => feed(parser, chunks, check, signal)
    await pipeline(createReadStream(archive), createGunzip(), feedParser, { signal })
    return check.found
  } catch (error) {
    signal.throwIfAborted()
    throw explain(subject, error)
  }
}

async function feed(
  parser: Unpack,
  chunks: AsyncIterable<Buffer>,
  check: ArchiveCheck,
  signal: AbortSignal
): Promise<void> {
  let isEnded = false
  parser.once('eof', () => {
    isEnded = true
  })
  for await (const chunk of chunks) {
    check.takeBytes(chunk)
    // Beyond its end an archive has only padding, which the parser would gather in memory.
    if (isEnded) continue
    const takesMore = parser.write(chunk)
    check.throwIfFailed()
    if (!takesMore) await once(parser, 'drain', { signal })
    check.throwIfFailed()
  }
  // To the parser an archive without members is none.
  if (isEnded && check.found.memberCount === 0) return
  const ended = once(parser, 'end', { signal })
  parser.end()
  await ended
}

function explain(subject: string, error: unknown): unknown {
  const code = codeOf(error)
  if (error instanceof FetchError || !(/^(TAR|Z)_/.test(code) || contradictions.includes(code))) return error
  const found = `${code} (${(error as Error).message})`
  return new FetchError({ exit: 'damaged', subject, expected: 'a whole tar.gz', found }, error)
}
