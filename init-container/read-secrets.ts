import { X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import { KiB, MiB } from '../shared/units.ts'
import { codeOf, FetchError } from './fetch-error.ts'

const maxTokenBytes = 16 * KiB
const maxAuthoritiesBytes = 4 * MiB

/**
 * The download token, from its file. What the file holds is in no error.
 *
 * @throws FetchError `usage`
 */
export async function readToken(file: string): Promise<string> {
  const text = (await readSmallFile('token file', file, maxTokenBytes)).trim()
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new FetchError({
    exit: 'usage',
    subject: `token file ${file}`,
    expected: 'one line of printable ASCII characters without spaces',
    found: text === '' ? 'nothing' : 'other characters'
  })
}

/**
 * The authorities to trust, as PEM.
 *
 * @throws FetchError `usage`
 */
export async function readAuthorities(file: string): Promise<string> {
  const pem = await readSmallFile('CA file', file, maxAuthoritiesBytes)
  try {
    // Looks at the first certificate only: enough to notice the wrong file before a connection is tried.
    new X509Certificate(pem)
    return pem
  } catch (cause) {
    const found = 'something else'
    throw new FetchError(
      { exit: 'usage', subject: `CA file ${file}`, expected: 'certificates as PEM', found },
      cause
    )
  }
}

/**
 * A file of at most `limitBytes` bytes, as UTF-8.
 *
 * @param what names its role in errors
 * @throws FetchError `usage`
 */
export async function readSmallFile(what: string, path: string, limitBytes: number): Promise<string> {
  const subject = `${what} ${path}`
  try {
    await using file = await open(path)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(limitBytes + 1), 0, limitBytes + 1, 0)
    if (bytesRead <= limitBytes) return buffer.toString('utf8', 0, bytesRead)
  } catch (cause) {
    const failure = { subject, expected: 'a file that can be read', found: codeOf(cause) }
    throw new FetchError({ ...failure, exit: 'usage' }, cause)
  }
  throw new FetchError({ exit: 'usage', subject, expected: `at most ${limitBytes} bytes`, found: 'more' })
}
