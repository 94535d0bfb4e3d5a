import { rm } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { buildExecutable } from './build-executable.ts'
import { buildPackage } from './build-package.ts'
import { imageArchitecture } from './image-architecture.ts'
import { root } from './programs.ts'

// `node build/main.ts [folder]`: what is published, and the executable, each in a folder of its own. The executable of
// another machine stays beside the one of this machine: an image for several is built from all of them.
const into = resolve(process.argv[2] ?? join(root, 'dist'))
const builds = { package: buildPackage, [`executable/${imageArchitecture(process.arch)}`]: buildExecutable }
for (const [name, build] of Object.entries(builds)) {
  const folder = join(into, name)
  await rm(folder, { recursive: true, force: true })
  await build(folder)
  console.log(relative('.', folder))
}
