import { existsSync } from 'node:fs'
import { MiB } from '../../shared/units.ts'
import { readSmallFile } from '../read-secrets.ts'
import { type ForkOptions, parseForkOptions } from './fork-options.ts'

const maxPropertiesBytes = 1 * MiB

/** The properties file that the fork's init image is given as its one argument; undefined when there is no such thing. */
export function forkFileOf(args: readonly string[]): string | undefined {
  const [file, ...others] = args
  if (file === undefined || others.length > 0 || file.startsWith('-')) return undefined
  return file.endsWith('.properties') || existsSync(file) ? file : undefined
}

/** @throws FetchError `usage` when the file cannot be read, or asks for what cannot be done */
export async function readForkFile(file: string): Promise<ForkOptions> {
  return parseForkOptions(await readSmallFile('properties file', file, maxPropertiesBytes))
}
