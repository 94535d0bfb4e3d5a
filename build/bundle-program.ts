import { basename, join } from 'node:path'
import { type BuildOptions, build } from 'esbuild'
import manifest from '../package.json' with { type: 'json' }
import { namedExports } from './named-exports.ts'
import { root } from './programs.ts'

/** What programs became. The same sources give the same bytes. */
export interface Bundle {
  readonly files: readonly BundledFile[]
  /** Folders of the packages that it is made of, each once, sorted, relative to the root: `node_modules/fastify`. */
  readonly packages: readonly string[]
}

export interface BundledFile {
  /** `spark-stage.mjs`, or `parts/…` for what programs import late, or share. */
  readonly name: string
  readonly text: string
}

/** Where the parts of programs are, beside them. */
export const partsFolder = 'parts'

/**
 * Puts programs, and all that they import, into a file each; what they import late, and what several of them need, into
 * parts. Node reads a part when it is imported, and not before. Names and lines are kept: a stack trace can be read, and
 * each piece says which file it was.
 *
 * @param entries by name, from the root: `{'spark-stage': 'client/main.ts'}`
 * @throws Error when something imported does not exist
 */
export async function bundlePrograms(entries: Readonly<Record<string, string>>): Promise<Bundle> {
  return await bundle({
    entryPoints: entries,
    format: 'esm',
    splitting: true,
    outExtension: { '.js': '.mjs' },
    chunkNames: `${partsFolder}/[name]-[hash]`,
    banner: { js: beginning },
    plugins: [namedExports]
  })
}

/** Puts a program into one file, as an executable takes it: CommonJS. What it imports late is in the file but runs late. */
export async function bundleForExecutable(entry: string): Promise<Bundle & { readonly text: string }> {
  const bundled = await bundle({ entryPoints: [entry], format: 'cjs' })
  return { ...bundled, text: bundled.files.map(({ text }) => text).join('') }
}

async function bundle(options: BuildOptions): Promise<Bundle> {
  const outdir = join(root, 'dist')
  const { outputFiles = [], metafile = { inputs: {} } } = await build({
    ...options,
    absWorkingDir: root,
    outdir,
    bundle: true,
    platform: 'node',
    // The oldest Node that package.json allows.
    target: manifest.engines.node.replace('>=', 'node'),
    write: false,
    metafile: true,
    logLevel: 'silent'
  })
  const folders = Object.keys(metafile.inputs).flatMap(input => packageFolder.exec(input)?.[0] ?? [])
  const files = outputFiles.map(({ path, text }) => {
    const isPart = path.startsWith(join(outdir, partsFolder))
    return { name: isPart ? `${partsFolder}/${basename(path)}` : basename(path), text }
  })
  return { files, packages: [...new Set(folders)].sort() }
}

/**
 * What makes the file a program, and gives packages in the older format the `require` by which they ask for Node's own
 * modules.
 */
const beginning = `#!/usr/bin/env node
import { createRequire as requireForBundle } from 'node:module'
const require = requireForBundle(import.meta.url)`

const packageFolder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/
