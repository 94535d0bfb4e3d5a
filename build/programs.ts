import { fileURLToPath } from 'node:url'

/** Name of a program, as people call it. */
export type ProgramName = 'spark-stage' | 'spark-stage-server' | 'spark-stage-init'

/** Where each program begins, from {@link root}. */
export const programs: Readonly<Record<ProgramName, string>> = {
  'spark-stage': 'client/main.ts',
  'spark-stage-server': 'server/main.ts',
  'spark-stage-init': 'init-container/main.ts'
}

/** The folder of this repository, which all names of sources are relative to. */
export const root = fileURLToPath(new URL('..', import.meta.url))
