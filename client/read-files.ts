import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { quote } from '../shared/errors.ts'
import { usageError } from './client-error.ts'

/**
 * The secret in a file, without the white space around it.
 *
 * @param flag the option that named the file, for messages
 * @throws ClientError (usage) when the file cannot be read or holds no single word; never with its content
 */
export async function readSecret(filePath: string, flag: string): Promise<string> {
  const text = await readText(filePath, flag)
  const secret = text.trim()
  if (/^[\x21-\x7e]+$/.test(secret)) return secret
  const found = secret === '' ? 'nothing' : 'something else'
  throw usageError(
    `${flag} ${quote(filePath, 300)}: expected one word of printable ASCII in the file, found ${found}`
  )
}

/**
 * The authorities to trust, as PEM.
 *
 * @throws ClientError (usage) when the file cannot be read or does not begin with a certificate
 */
export async function readAuthorities(filePath: string, flag: string): Promise<string> {
  const pem = await readText(filePath, flag)
  try {
    // The first is enough to notice the wrong file before anything is sent.
    new X509Certificate(pem)
    return pem
  } catch (cause) {
    throw usageError(`${flag} ${quote(filePath, 300)}: expected certificates as PEM, found something else`, {
      cause
    })
  }
}

async function readText(filePath: string, flag: string): Promise<string> {
  try {
    return await readFile(filePath, 'utf8')
  } catch (cause) {
    // A boundary: file system calls reject with a system error.
    const { code } = cause as NodeJS.ErrnoException
    throw usageError(`${flag} ${quote(filePath, 300)}: the file cannot be read (${code})`, { cause })
  }
}
