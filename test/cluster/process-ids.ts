import { readdir } from 'node:fs/promises'

/** The ids of the processes that are meant. One that ends meanwhile is not. */
export async function processIds(isMeant: (pid: number) => Promise<boolean>): Promise<readonly number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger)
  const found = await Promise.all(
    pids.map(async pid => ((await isMeant(pid).catch(() => false)) ? [pid] : []))
  )
  return found.flat()
}
