import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What `package.json` says about who may use a package. */
interface PackageManifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly author?: string | { readonly name: string }
}

/** Licenses that ask no more than to be passed on with the program. */
const accepted = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0', 'Unlicense']

/**
 * The text that passes on the licenses of other people's packages, one after the other.
 *
 * @param packages folders of packages
 * @throws Error when a license is none of those that may simply be passed on
 */
export async function thirdPartyLicenses(packages: readonly string[]): Promise<string> {
  return (await Promise.all(packages.map(describePackage))).join(`\n${'-'.repeat(80)}\n\n`)
}

async function describePackage(folder: string): Promise<string> {
  const manifest: PackageManifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const { name, version, license = 'none' } = manifest
  if (!accepted.includes(license)) {
    throw new Error(`license of ${name} ${version}: expected one of ${accepted.join(', ')}, found ${license}`)
  }
  const files = (await readdir(folder)).filter(file => /^(licen[cs]e|copying|notice)/i.test(file)).sort()
  const texts = await Promise.all(files.map(file => readFile(join(folder, file), 'utf8')))
  const text =
    texts.length === 0 ? `By ${authorOf(manifest)}; it comes without a license file.` : texts.join('\n')
  return `${name} ${version} (${license})\n\n${text.trim()}\n`
}

function authorOf({ name, author }: PackageManifest): string {
  return typeof author === 'string' ? author : (author?.name ?? `the authors of ${name}`)
}
