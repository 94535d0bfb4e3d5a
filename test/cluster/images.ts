import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { onceCached } from './once-cached.ts'
import { cacheFolder, ownPath } from './paths.ts'
import { runCommand } from './run-command.ts'
import { type SparkVersion, sparkVersions, unpackSpark } from './spark-homes.ts'

/** An image as a file, to be brought into the cluster. */
export interface ImageArchive {
  /** As pods write it. */
  readonly name: string
  /** An OCI archive in the cache. */
  readonly archive: string
}

const { SPARK_STAGE_E2E_IMAGES: images } = process.env
/** What image names begin with. In a cluster of the user's own it is a registry that has them. */
export const imagePrefix = images || 'docker.io/local'

export function sparkImage(version: SparkVersion): string {
  return `${imagePrefix}/spark:${version}`
}

const buildMs = 15 * 60_000

/** Builds what the cache lacks of the images that the cluster itself and Spark need. */
export async function buildImages(): Promise<readonly ImageArchive[]> {
  const java = await buildImage('java', { base: await buildBase() })
  const sparks: ImageArchive[] = []
  for (const version of sparkVersions) {
    const more = { base: java, version, contexts: { spark: await unpackSpark(version) } }
    sparks.push({ name: sparkImage(version), archive: await buildImage('spark', more) })
  }
  return [{ name: pauseImage, archive: await buildPause() }, ...sparks]
}

export const minioImage = `${imagePrefix}/minio:1`

/** An S3 store. @param program MinIO's, in a folder that is called by its version */
export async function buildMinio(program: string): Promise<string> {
  return await buildImage('minio', {
    base: await buildBase(),
    version: basename(dirname(program)).replace('minio-', ''),
    prepare: async context => await copyFile(program, join(context, 'minio'))
  })
}

/** What keeps a pod's namespaces. */
export const pauseImage = 'docker.io/local/pause:1'

/** Debian without anything that it can do without. */
export async function buildBase(): Promise<string> {
  return await buildImage('base', {
    prepare: async context => {
      const rootfs = join(context, 'rootfs')
      await runCommand('debootstrap', ['--variant=minbase', 'bookworm', rootfs], { timeoutMs: buildMs })
      await runCommand('tar', ['--create', '-f', `${rootfs}.tar`, '-C', rootfs, '.'])
      await rm(rootfs, { recursive: true })
    }
  })
}

async function buildPause(): Promise<string> {
  return await buildImage('pause', {
    prepare: async context => {
      const pause = join(context, 'pause')
      await runCommand('gcc', ['-Os', '-static', '-s', '-o', pause, `${pause}.c`])
    }
  })
}

interface Build {
  /** An archive to build on. */
  readonly base?: string
  readonly version?: string
  /** Folders that the Containerfile copies from, by name. */
  readonly contexts?: Readonly<Record<string, string>>
  /** Adds to a copy of the image's folder, which is the context. */
  readonly prepare?: (context: string) => Promise<void>
}

/** Builds `images/NAME/Containerfile`, unless the cache has it from the same files and the same base. */
async function buildImage(name: string, { base, version, contexts = {}, prepare }: Build): Promise<string> {
  const folder = ownPath(`images/${name}`)
  const files = (await readdir(folder)).sort()
  const hash = createHash('sha256')
    .update(basename(base ?? ''))
    .update(version ?? '')
  for (const file of files) hash.update(file).update(await readFile(join(folder, file)))
  const key = [name, version, hash.digest('hex').slice(0, 12)].filter(part => part !== undefined).join('-')
  return await onceCached(join(cacheFolder, 'images', `${key}.tar`), async draft => {
    const work = await mkdtemp(join(tmpdir(), 'spark-stage-image-'))
    try {
      const context = join(work, 'context')
      await mkdir(context)
      for (const file of files) await copyFile(join(folder, file), join(context, file))
      await prepare?.(context)
      const args = base === undefined ? [] : ['--build-arg', `BASE=oci-archive:${base}`]
      for (const [from, path] of Object.entries(contexts)) args.push('--build-context', `${from}=${path}`)
      await buildArchive({ store: join(work, 'store'), args, context, archive: draft, name })
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  })
}

interface ArchiveBuild {
  /** A new folder for what buildah keeps; the caller removes it. */
  readonly store: string
  /** More for `buildah bud`, for example `['--build-arg', 'BASE=…']`. */
  readonly args: readonly string[]
  readonly context: string
  /** Where the image is written. */
  readonly archive: string
  readonly name: string
}

/** Builds a Containerfile without a daemon, a registry or an overlay file system. */
async function buildArchive({ store, args, context, archive, name }: ArchiveBuild): Promise<void> {
  const buildah = ['--storage-driver', 'vfs', '--root', join(store, 'root'), '--runroot', join(store, 'run')]
  const image = `localhost/${name}:1`
  const options = ['--isolation', 'chroot', '--network', 'host', '--layers=false', '--tag', image]
  await runCommand('buildah', [...buildah, 'bud', ...options, ...args, context], { timeoutMs: buildMs })
  const to = `oci-archive:${archive}:${image}`
  await runCommand('buildah', [...buildah, 'push', '--disable-compression', image, to], {
    timeoutMs: buildMs
  })
}
