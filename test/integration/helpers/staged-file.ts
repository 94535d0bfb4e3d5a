import { join } from 'node:path'
import type { Test } from 'tap'
import { sha256sums, writeRandomFile } from './files.ts'
import { put, type Staged, type StageProcess, startStage } from './programs.ts'
import { testFolder } from './test-folder.ts'

/** Bytes of the file that most of these tests move: 200 MB. */
export const fileBytes = 200_000_000

/** A running server with one random file of {@link fileBytes} bytes, staged as `files/data.bin`. */
export interface StagedFile {
  readonly stage: StageProcess
  readonly staged: Staged
  /** The file that was staged. */
  readonly path: string
  /** What `sha256sum` says of it. */
  readonly digests: Readonly<Record<string, string>>
  /** Folder of the test. */
  readonly home: string
}

/** Starts a server and stages one file. */
export async function stageFile(t: Test): Promise<StagedFile> {
  const home = testFolder(t)
  const path = await writeRandomFile(join(home, 'data.bin'), fileBytes)
  const stage = await startStage(t, { home })
  const staged = await put(t, { ...stage, files: ['--file', path], tokenFile: join(home, 'token') })
  return { stage, staged, path, digests: await sha256sums([path]), home }
}

/** Where the init container puts the file of {@link stageFile}. */
export function laidOutFile(into: string): string {
  return join(into, 'files', 'data.bin')
}
