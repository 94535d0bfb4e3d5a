import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bundleForExecutable } from './bundle-program.ts'
import { programs, root } from './programs.ts'
import { thirdPartyLicenses } from './third-party-licenses.ts'

const run = promisify(execFile)

const program = 'spark-stage-init'

/** The Node that the executable becomes a copy of: the one that this project is tested with. */
const node = fileURLToPath(import.meta.resolve('node/bin/node'))

/** What postject looks for in Node's binary. @see https://nodejs.org/api/single-executable-applications.html */
const sentinel = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/**
 * Builds the init container's program as an executable for machines like this one, which need no Node: Node itself with
 * the program and V8's cache of its code inside.
 *
 * @param into a folder, made when it is missing
 * @throws Error when the license of this version of Node is not at hand
 */
export async function buildExecutable(into: string): Promise<void> {
  await mkdir(into, { recursive: true })
  const { text, packages } = await bundleForExecutable(programs[program])
  const licenses = await thirdPartyLicenses(packages.map(folder => join(root, folder)))
  await writeFile(
    join(into, 'THIRD-PARTY-LICENSES'),
    `${await nodeLicense()}\n${'-'.repeat(80)}\n\n${licenses}`
  )
  await copyFile(join(root, 'LICENSE'), join(into, 'LICENSE'))
  const aside = await mkdtemp(join(into, '.unfinished-'))
  try {
    await writeFile(join(aside, `${program}.cjs`), text)
    await writeFile(join(aside, 'sea.json'), JSON.stringify(blobOptions))
    // The seed decides the order in V8's cache: with a fixed one the same program gives the same bytes.
    await run(node, ['--random-seed=1', '--experimental-sea-config', 'sea.json'], { cwd: aside })
    await copyFile(node, join(aside, program))
    const postject = fileURLToPath(import.meta.resolve('postject/dist/cli.js'))
    const args = [program, 'NODE_SEA_BLOB', blobOptions.output, '--sentinel-fuse', sentinel]
    await run(node, [postject, ...args], { cwd: aside })
    await rename(join(aside, program), join(into, program))
  } finally {
    await rm(aside, { recursive: true })
  }
}

/** Relative names: where it was built is nobody's business, and would change the bytes. */
const blobOptions = {
  main: `${program}.cjs`,
  output: 'program.blob',
  disableExperimentalSEAWarning: true,
  useCodeCache: true
}

async function nodeLicense(): Promise<string> {
  const { stdout } = await run(node, ['--version'])
  const version = stdout.trim().slice(1)
  const file = `build/node-${version}-license.txt`
  try {
    return `Node.js ${version}\n\n${await readFile(join(root, file), 'utf8')}`
  } catch (cause) {
    throw new Error(`expected the license of Node ${version} as ${file}; it is LICENSE in Node's release`, {
      cause
    })
  }
}
