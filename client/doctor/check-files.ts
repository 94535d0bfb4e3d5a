import { stat } from 'node:fs/promises'
import { quote } from '../../shared/errors.ts'
import { readAuthorities, readSecret } from '../read-files.ts'
import type { Finding } from './examination.ts'

/**
 * A file with a secret: there, not empty, and best for nobody else.
 *
 * @param flag the option that named the file, for messages
 * @throws ClientError (usage); never with the secret
 */
export async function checkSecretFile(filePath: string, flag: string): Promise<Finding<string>> {
  const found = await readSecret(filePath, flag)
  const { mode } = await stat(filePath)
  const name = quote(filePath, 300)
  if ((mode & 0o077) === 0) return { found, message: `${name}, readable by you alone` }
  const octal = (mode & 0o777).toString(8)
  return { found, message: name, warning: `others may use the file (mode ${octal}): chmod 600 ${filePath}` }
}

/** The file with the authorities. @throws ClientError (usage) */
export async function checkAuthorities(filePath: string): Promise<Finding<string>> {
  return { found: await readAuthorities(filePath, '--ca-file'), message: quote(filePath, 300) }
}
