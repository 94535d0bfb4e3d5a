import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { bundlePrograms, partsFolder } from './bundle-program.ts'
import { programs, root } from './programs.ts'
import { thirdPartyLicenses } from './third-party-licenses.ts'

/** What goes along as it is; the README links to all of it. */
const documents = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'docs']

/**
 * Builds the package that is published: each program a file with parts beside it, which needs Node and nothing else.
 *
 * @param into a folder, made when it is missing; `npm pack` and `npm publish` take it
 */
export async function buildPackage(into: string): Promise<void> {
  await mkdir(join(into, partsFolder), { recursive: true })
  const { files, packages } = await bundlePrograms(programs)
  for (const { name, text } of files) {
    const mode = name.startsWith(partsFolder) ? 0o644 : 0o755
    await writeFile(join(into, name), text, { mode })
  }
  const licenses = await thirdPartyLicenses(packages.map(folder => join(root, folder)))
  await writeFile(join(into, 'THIRD-PARTY-LICENSES'), licenses)
  await writeFile(join(into, 'package.json'), `${JSON.stringify(publishedManifest(), null, 2)}\n`)
  for (const name of documents) await cp(join(root, name), join(into, name), { recursive: true })
}

/** No dependency and no script: nothing is fetched and nothing runs when it is installed. */
function publishedManifest(): object {
  const { name, version, description, license, type, engines } = manifest
  const bin = Object.fromEntries(Object.keys(programs).map(program => [program, `${program}.mjs`]))
  return { name, version, description, license, type, engines, bin }
}
