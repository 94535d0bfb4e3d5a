import { relative, sep } from 'node:path'
import type { Plugin } from 'esbuild'
import { root } from './programs.ts'

const namespace = 'named-exports'

/**
 * Gives a package that is imported late the names that Node gives it. Of a package in the older format esbuild puts only
 * `default` into a part, so that `(await import('undici')).Agent` would be undefined.
 */
export const namedExports: Plugin = {
  name: namespace,
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ kind, path, importer, namespace: from }) =>
      kind === 'dynamic-import' && from === 'file' && isOurs(importer) && !path.startsWith('node:')
        ? { path, namespace }
        : undefined
    )
    build.onLoad({ filter: /./, namespace }, async ({ path }) => {
      const names = Object.keys(await import(path)).filter(name => name !== 'module.exports')
      return { contents: `export { ${names.join(', ')} } from ${JSON.stringify(path)}`, resolveDir: root }
    })
  }
}

/** What a package imports late of its own is in the format that it expects. */
function isOurs(importer: string): boolean {
  return !relative(root, importer).split(sep).includes('node_modules')
}
