import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { sha256, storeFiles } from './start-server.ts'

/** Asserts that whatever calls itself committed in a store is whole. */
export async function assertWhole(t: Test, folder: string): Promise<void> {
  const leases = (await storeFiles(folder)).filter(path => path.endsWith('/lease.json'))
  for (const bundleId of leases.map(path => path.split('/')[1] ?? '')) {
    const read = (name: string) => readFile(join(folder, 'bundles', bundleId, name), 'utf8')
    const { state, attempt } = JSON.parse(await read('lease.json'))
    if (state !== 'committed') continue
    for (const entry of JSON.parse(await read(`${attempt}/manifest.json`)).entries) {
      t.equal(sha256(await read(`${attempt}/data/${entry.data}`)), entry.sha256, `${bundleId} ${entry.path}`)
    }
  }
}

/** Asserts that nothing in a store is without a marker, so the sweep will come by. */
export async function assertMarked(t: Test, folder: string): Promise<void> {
  const files = await storeFiles(folder)
  const marked = new Set(files.filter(path => path.startsWith('due/')).map(path => path.split('/')[2]))
  for (const path of files.filter(path => path.startsWith('bundles/') || path.startsWith('index/'))) {
    const bundleId = path.startsWith('bundles/') ? path.split('/')[1] : path.split('/')[2]
    t.ok(marked.has(bundleId ?? ''), `${path} is marked`)
  }
}
