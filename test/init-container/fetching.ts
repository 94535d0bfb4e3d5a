import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import {
  type EventFields,
  type FetchOptions,
  type FetchProgress,
  type FetchSummary,
  fetchBundle,
  fetchDefaults
} from '../../init-container/fetch-bundle.ts'
import type { Surroundings } from '../../init-container/surroundings.ts'
import { bundleId, namespace, token } from './fake-server.ts'

/** One event that was reported. */
export interface Told {
  readonly level: string
  readonly sentence: string
  readonly fields: EventFields
}

/** A fetch that a test drives: its folder, and what it told and waited for. */
export interface Fetching {
  readonly options: FetchOptions
  readonly into: string
  readonly told: readonly Told[]
  /** The field `found` of every warning. */
  readonly warnings: readonly string[]
  readonly progress: readonly FetchProgress[]
  /** Milliseconds of each wait; none is really waited for, the clock jumps instead. */
  readonly waits: readonly number[]
  /** Can be changed before {@link Fetching.run}. */
  readonly surroundings: { -readonly [K in keyof Surroundings]: Surroundings[K] }
  readonly stop: AbortController
  run(): Promise<FetchSummary>
}

/** Prepares a fetch from `server` into a new folder, with a clock that waits do not stop. */
export function fetching(t: Test, server: URL, changes: Partial<FetchOptions> = {}): Fetching {
  const folder = temporaryFolder(t)
  const into = join(folder, 'into')
  mkdirSync(into)
  const told: Told[] = []
  const warnings: string[] = []
  const progress: FetchProgress[] = []
  const waits: number[] = []
  let skippedMs = 0
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, `${token}\n`)
  const fixed = { server, namespace, bundleId, tokenFile, into, allowPlaintext: false }
  const options: FetchOptions = { ...fetchDefaults, ...fixed, ...changes }
  const surroundings: Fetching['surroundings'] = {
    nowMs: () => performance.now() + skippedMs,
    sleep: async (waitMs, signal) => {
      signal.throwIfAborted()
      waits.push(waitMs)
      skippedMs += waitMs
    },
    random: () => 0.5,
    freeBytes: async () => Number.POSITIVE_INFINITY
  }
  const report = {
    event: (level: string, sentence: string, fields: EventFields & { readonly found?: unknown } = {}) => {
      told.push({ level, sentence, fields })
      if (level === 'warn') warnings.push(String(fields.found))
    },
    progress: (step: FetchProgress) => void progress.push(step)
  }
  const stop = new AbortController()
  const run = (): Promise<FetchSummary> => fetchBundle(options, report, stop.signal, surroundings)
  return { options, into: options.into, told, warnings, progress, waits, surroundings, stop, run }
}

/** A new folder for as long as the test runs. Unlike tap's, a test can have several. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'spark-stage-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
