import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/**
 * One transfer by curl, which costs both sides of a comparison the same.
 *
 * @returns seconds from the first byte of the request to the last byte of the answer, without the start of the process
 * @throws Error with what curl said unless the answer is a 2xx
 */
export async function curl(...args: readonly string[]): Promise<number> {
  const write = ['--write-out', '\n%{time_total}']
  const quiet = ['--silent', '--show-error', '--fail-with-body', '--header', 'Expect:']
  const { stdout } = await promisify(execFile)('curl', [...quiet, ...write, ...args])
  return Number(stdout.slice(stdout.lastIndexOf('\n') + 1))
}

/** The same transfer by `count` curls at once. @returns seconds from the first start to the last end */
export async function curls(count: number, ...args: readonly string[]): Promise<number> {
  const startedMs = performance.now()
  await Promise.all(Array.from({ length: count }, () => curl(...args)))
  return (performance.now() - startedMs) / 1000
}
