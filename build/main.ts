import { rm } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { buildExecutable } from './build-executable.ts'
import { buildPackage } from './build-package.ts'
import { root } from './programs.ts'

// `node build/main.ts [folder]`: what is published, and the executable, each in a folder of its own.
const into = resolve(process.argv[2] ?? join(root, 'dist'))
for (const [name, build] of Object.entries({ package: buildPackage, executable: buildExecutable })) {
  const folder = join(into, name)
  await rm(folder, { recursive: true, force: true })
  await build(folder)
  console.log(relative('.', folder))
}
