import { glob, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadYaml } from '@kubernetes/client-node'

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url))

/** An object of Kubernetes or of kustomize as it stands in a file; tests name the fields that they look at. */
// biome-ignore lint/suspicious/noExplicitAny: what is in a manifest is what the tests are to find out.
export type Manifest = Readonly<Record<string, any>>

/** A YAML file of `deploy/` and the objects in it. */
export interface ManifestFile {
  /** From `deploy/`. */
  readonly path: string
  readonly text: string
  readonly manifests: readonly Manifest[]
}

/** All files of `deploy/`, by path. */
export async function readManifestFiles(): Promise<readonly ManifestFile[]> {
  const paths = (await Array.fromAsync(glob('**/*.yaml', { cwd: deploy }))).sort()
  return await Promise.all(
    paths.map(async path => {
      const text = await readFile(join(deploy, path), 'utf8')
      return { path, text, manifests: text.split(/^---$/m).map(parse) }
    })
  )
}

/** The only object in a file. */
export function onlyManifest(files: readonly ManifestFile[], path: string): Manifest {
  const manifests = files.find(file => file.path === path)?.manifests ?? []
  const [manifest] = manifests
  if (manifest === undefined || manifests.length > 1) throw new Error(`expected one object in ${path}`)
  return manifest
}

/** What a kustomization takes in, as paths from `deploy/`: files, and folders with kustomizations of their own. */
export function namedBy(
  { path }: ManifestFile,
  { resources = [], components = [] }: Manifest
): readonly string[] {
  return [...resources, ...components].map(name => relative(deploy, join(deploy, dirname(path), name)))
}

/** What a kustomization sets in the server's environment. An empty value is an unset one. */
export function settingsOf({ configMapGenerator = [] }: Manifest): Readonly<Record<string, string>> {
  const literals: readonly string[] = configMapGenerator.flatMap(({ literals }: Manifest) => literals)
  return Object.fromEntries(literals.map(literal => splitAtEquals(literal)))
}

/** Every strategic-merge patch in a kustomization, as the object that it is. */
export function patchesOf({ patches = [] }: Manifest): readonly Manifest[] {
  const texts: readonly string[] = patches.map(({ patch }: Manifest) => patch)
  return texts.map(parse).filter(patch => !Array.isArray(patch))
}

/** Every operation of the JSON patches in a kustomization that are for one kind of object. */
export function jsonPatchesOf({ patches = [] }: Manifest, kind: string): readonly Manifest[] {
  const own: readonly Manifest[] = patches.filter(({ target }: Manifest) => target?.kind === kind)
  return own.map(({ patch }) => parse(patch)).flatMap(patch => (Array.isArray(patch) ? patch : []))
}

/** An object within another: one that stands alone would lose the fields that are not Kubernetes' own, as `$patch`. */
function parse(text: string): Manifest {
  return loadYaml<{ within: Manifest }>(`within:\n${text.replaceAll(/^/gm, '  ')}`).within
}

function splitAtEquals(literal: string): [string, string] {
  const at = literal.indexOf('=')
  return [literal.slice(0, at), literal.slice(at + 1)]
}
