import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { quote } from '../shared/errors.ts'
import { ClientError, describe, usageError } from './client-error.ts'

/**
 * Finds out before anything is sent whether a token could be written here.
 *
 * @throws ClientError (usage) when the path is a directory or its folder is missing or not writable
 */
export async function checkTokenFile(filePath: string): Promise<void> {
  try {
    await access(dirname(filePath), constants.W_OK)
  } catch (cause) {
    throw usageError(`--token-out ${quote(filePath, 300)}: the folder is missing or not writable`, { cause })
  }
  const info = await stat(filePath).catch(() => undefined)
  if (info?.isDirectory())
    throw usageError(`--token-out ${quote(filePath, 300)}: expected a file, found a directory`)
}

/**
 * Writes a token that only this user can read: aside, synced, then renamed, so that no reader meets half of it.
 *
 * @param bundle whose token it is, for messages
 * @throws ClientError (noSpace or internal)
 */
export async function writeTokenFile(filePath: string, token: string, bundle: string): Promise<void> {
  const aside = `${filePath}.${randomUUID()}`
  try {
    await writeFile(aside, `${token}\n`, { flag: 'wx', mode: 0o600, flush: true })
    await rename(aside, filePath)
  } catch (cause) {
    // A boundary: file system calls reject with a system error.
    const { code } = cause as NodeJS.ErrnoException
    const sentence = `bundle ${bundle} is staged, but its token could not be written to ${quote(filePath, 300)} (${code})`
    const todo = `"spark-stage token ${bundle} --token-out FILE" writes it elsewhere.`
    throw new ClientError(code === 'ENOSPC' ? 'noSpace' : 'internal', describe(sentence, { todo }), { cause })
  } finally {
    // Gone after the rename; after a failure the failure itself is what counts.
    await rm(aside, { force: true }).catch(() => undefined)
  }
}
