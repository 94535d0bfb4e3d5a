import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster } from '../../cluster/cluster.ts'
import { buildBase, buildMinio, imagePrefix, minioImage } from '../../cluster/images.ts'
import { isThere } from '../../cluster/once-cached.ts'
import { buildOurImages } from '../../cluster/our-images.ts'
import { cacheFolder } from '../../cluster/paths.ts'
import { minioProgram } from '../../integration/helpers/minio.ts'
import { repositoryPath } from '../../integration/helpers/programs.ts'

/** What the images are made of. */
const sources = [
  'Dockerfile.server',
  'Dockerfile.init',
  'package.json',
  'package-lock.json',
  'build',
  'client',
  'init-container',
  'server',
  'shared'
]

/** Names of this checkout's images, as pods write them. */
export interface StageImages {
  readonly server: string
  readonly init: string
}

/** Our two images, as they were imported last. */
export const stageImages: StageImages = {
  server: `${imagePrefix}/spark-stage-server:e2e`,
  init: `${imagePrefix}/spark-stage-init:e2e`
}

/** Builds this checkout's images, unless the cache has them, and gives them to the cluster. */
export async function importStageImages(cluster: Cluster): Promise<void> {
  const folder = join(cacheFolder, 'images', `stage-${await sourceHash()}`)
  const archives = { server: join(folder, 'server.tar'), init: join(folder, 'init.tar') }
  await mkdir(folder, { recursive: true })
  if (!(await isThere(archives.init))) await buildOurImages(await buildBase(), folder)
  await cluster.importImage(archives.server, stageImages.server)
  await cluster.importImage(archives.init, stageImages.init)
}

/** Builds the image of an S3 store, unless the cache has it, and gives it to the cluster. */
export async function importMinioImage(cluster: Cluster): Promise<void> {
  await cluster.importImage(await buildMinio(await minioProgram()), minioImage)
}

async function sourceHash(): Promise<string> {
  const hash = createHash('sha256')
  for (const source of sources) {
    for (const file of await filesBelow(repositoryPath(source)))
      hash.update(file).update(await readFile(file))
  }
  return hash.digest('hex').slice(0, 12)
}

async function filesBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => undefined)
  if (entries === undefined) return [path]
  return entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .sort()
}
