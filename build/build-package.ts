import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { bundleProgram } from './bundle-program.ts'
import { programs, root } from './programs.ts'
import { thirdPartyLicenses } from './third-party-licenses.ts'

/** What goes along as it is; the README links to all of it. */
const documents = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'docs']

/**
 * Builds the package that is published: each program one file, which needs Node and nothing else.
 *
 * @param into a folder, made when it is missing; `npm pack` and `npm publish` take it
 */
export async function buildPackage(into: string): Promise<void> {
  await mkdir(into, { recursive: true })
  const packages = new Set<string>()
  for (const [name, entry] of Object.entries(programs)) {
    const bundle = await bundleProgram(entry, 'esm')
    await writeFile(join(into, `${name}.mjs`), bundle.text, { mode: 0o755 })
    for (const folder of bundle.packages) packages.add(join(root, folder))
  }
  await writeFile(join(into, 'THIRD-PARTY-LICENSES'), await thirdPartyLicenses([...packages].sort()))
  await writeFile(join(into, 'package.json'), `${JSON.stringify(publishedManifest(), null, 2)}\n`)
  for (const name of documents) await cp(join(root, name), join(into, name), { recursive: true })
}

/** No dependency and no script: nothing is fetched and nothing runs when it is installed. */
function publishedManifest(): object {
  const { name, version, description, license, type, engines } = manifest
  const bin = Object.fromEntries(Object.keys(programs).map(program => [program, `${program}.mjs`]))
  return { name, version, description, license, type, engines, bin }
}
