import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import wholeProcess, { type Test } from 'tap'
import type { Finding } from '../../../../server/staging/verification/findings.ts'
import { type VerifySummary, verifyStore } from '../../../../server/staging/verification/verify-store.ts'
import { LocalDriver } from '../../../../server/storage/local-driver.ts'
import type { StorageDriver } from '../../../../server/storage/storage-driver.ts'
import { blobPath, bundlePath, bundlesPath } from '../../../../shared/paths.ts'
import { call, stage, upload } from '../../../helpers/call.ts'
import { credential, sha256, startServer, storeFiles, withoutSweeps } from '../../../helpers/start-server.ts'

/** A store that a real server has filled and let go of. */
export interface StagedStore {
  readonly folder: string
  /** A committed bundle of `files/a.txt` ("first") and `files/b.txt` ("second"). */
  readonly bundleId: string
  /** A draft with one of its two blobs ("arrived"). */
  readonly draftId: string
  /** A bundle that was revoked. */
  readonly endedId: string
  /** Writes a file below the store, making its folder. */
  write(key: string, text: string): Promise<void>
  /** Changes what a JSON object of the store says. */
  change(key: string, changes: object): Promise<void>
  /** Removes all files whose path has this text. @returns their paths */
  remove(text: string): Promise<readonly string[]>
}

/** What a verification said. */
export interface Verified {
  readonly summary: VerifySummary
  readonly findings: readonly Finding[]
  readonly totalBytes: number
  readonly readBytes: number
}

/** A copy of the store, for one test to damage. */
export async function makeStore(t: Test): Promise<StagedStore> {
  original ??= fillStore()
  const { folder: filled, ...ids } = await original
  const folder = join(t.testdir(), 'store')
  await cp(filled, folder, { recursive: true })
  return {
    folder,
    ...ids,
    write: async (key, text) => {
      await mkdir(dirname(join(folder, key)), { recursive: true })
      await writeFile(join(folder, key), text)
    },
    change: async (key, changes) => {
      const before = JSON.parse(await readFile(join(folder, key), 'utf8'))
      await writeFile(join(folder, key), JSON.stringify({ ...before, ...changes }))
    },
    remove: async text => {
      const paths = (await storeFiles(folder)).filter(path => path.includes(text))
      for (const path of paths) await rm(join(folder, path))
      return paths
    }
  }
}

type FilledStore = Pick<StagedStore, 'folder' | 'bundleId' | 'draftId' | 'endedId'>

/** Filled once: what is copied needs no server to be started. */
let original: Promise<FilledStore> | undefined

async function fillStore(): Promise<FilledStore> {
  const server = await startServer(wholeProcess, { env: withoutSweeps })
  const staged = await stage(server, [
    ['files', 'a.txt', 'first'],
    ['files', 'b.txt', 'second']
  ])
  const entries = ['arrived', 'still missing'].map((content, number) => ({
    kind: 'files',
    name: `${number}`,
    sizeBytes: content.length,
    sha256: sha256(content)
  }))
  const draft = await upload(server, 'POST', bundlesPath('team-a'), { entries })
  const headers = { authorization: `Bearer ${credential}` }
  const blob = blobPath('team-a', draft.json.bundleId, sha256('arrived'))
  await call(server, 'PUT', blob, { headers, body: 'arrived' })
  const ended = await stage(server, [['files', 'c.txt', 'third']])
  await upload(server, 'DELETE', bundlePath('team-a', ended.json.bundleId))
  await server.close()
  const { folder } = server
  return {
    folder,
    bundleId: staged.json.bundleId,
    draftId: draft.json.bundleId,
    endedId: ended.json.bundleId
  }
}

/** Verifies a store, and sees to it that nothing changes meanwhile. */
export async function verify(
  t: Test,
  { folder }: StagedStore,
  options: { readonly windowSize?: number; readonly wrap?: (store: StorageDriver) => StorageDriver } = {}
): Promise<Verified> {
  const before = await readdir(folder, { recursive: true })
  const driver = await LocalDriver.openExisting(folder)
  const findings: Finding[] = []
  let totalBytes = 0
  let readBytes = 0
  try {
    const summary = await verifyStore(
      options.wrap?.(driver) ?? driver,
      {
        found: finding => findings.push(finding),
        looked: () => {},
        reading: bytes => {
          totalBytes = bytes
        },
        read: bytes => {
          readBytes += bytes
        }
      },
      new AbortController().signal,
      options.windowSize
    )
    return { summary, findings, totalBytes, readBytes }
  } finally {
    await driver.close()
    t.same(await readdir(folder, { recursive: true }), before, 'it only reads')
  }
}
