import { build } from 'esbuild'
import manifest from '../package.json' with { type: 'json' }
import { root } from './programs.ts'

/** A program and all that it imports, as one text. */
export interface Bundle {
  readonly text: string
  /** Folders of the packages that it is made of, each once, sorted, relative to the root: `node_modules/fastify`. */
  readonly packages: readonly string[]
}

/**
 * Puts a program into one file. What it imports late is in the file but runs late, as before. Names and lines are kept:
 * a stack trace can be read, and each part says which file it was. The same sources give the same bytes.
 *
 * @param entry from the root, for example `server/main.ts`
 * @param format `esm` to be run by Node; `cjs` for an executable, which takes nothing else
 * @throws Error when something imported does not exist
 */
export async function bundleProgram(entry: string, format: 'esm' | 'cjs'): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format,
    // The oldest Node that package.json allows.
    target: manifest.engines.node.replace('>=', 'node'),
    banner: format === 'esm' ? { js: beginning } : {},
    write: false,
    metafile: true,
    logLevel: 'silent'
  })
  const folders = Object.keys(metafile.inputs).flatMap(input => packageFolder.exec(input)?.[0] ?? [])
  return { text: outputFiles.map(file => file.text).join(''), packages: [...new Set(folders)].sort() }
}

/**
 * What makes the file a program, and gives packages in the older format the `require` by which they ask for Node's own
 * modules.
 */
const beginning = `#!/usr/bin/env node
import { createRequire as requireForBundle } from 'node:module'
const require = requireForBundle(import.meta.url)`

const packageFolder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/
