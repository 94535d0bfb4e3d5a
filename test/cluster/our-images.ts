import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { buildExecutable } from '../../build/build-executable.ts'
import { buildPackage } from '../../build/build-package.ts'
import { imageArchitecture } from '../../build/image-architecture.ts'
import { root } from '../../build/programs.ts'
import { MiB } from '../../shared/units.ts'

/** Where the archives of our two images are (`oci-archive`, which containerd imports). */
export interface OurImages {
  readonly server: string
  readonly init: string
}

/** What the archives call their image, before the cluster gives it a name. */
const reference = 'localhost/spark-stage:built'

/**
 * Builds this checkout's server and init image from their Dockerfiles, as root and without any registry. Nothing in the
 * checkout changes, and nothing but the archives stays.
 *
 * @param base archive of a Debian 12, which becomes the base of both; Node is added to the server's
 * @param into a folder, made when it is missing
 * @throws Error with the last words of buildah
 */
export async function buildOurImages(base: string, into: string): Promise<OurImages> {
  await mkdir(into, { recursive: true })
  const work = await mkdtemp(join(tmpdir(), 'spark-stage-images-'))
  try {
    const context = await makeContext(join(work, 'context'))
    const buildah = new Buildah(work)
    const plain = await buildah.pull(`oci-archive:${base}`)
    const withNode = await buildah.build(await makeNodeContext(join(work, 'node')), 'Dockerfile', plain)
    const images = { server: join(into, 'server.tar'), init: join(into, 'init.tar') }
    await buildah.archive(await buildah.build(context, 'Dockerfile.server', withNode), images.server)
    await buildah.archive(await buildah.build(context, 'Dockerfile.init', plain), images.init)
    return images
  } finally {
    await rm(work, { recursive: true })
  }
}

/** What a build from the root of the repository sees of it, after `npm run bundle`. */
async function makeContext(folder: string): Promise<string> {
  await buildPackage(join(folder, 'dist/package'))
  await buildExecutable(join(folder, 'dist/executable', imageArchitecture(process.arch)))
  for (const name of ['Dockerfile.server', 'Dockerfile.init', '.dockerignore']) {
    await copyFile(join(root, name), join(folder, name))
  }
  return folder
}

/** Stands in for the image of Node that the server's is published on. */
async function makeNodeContext(folder: string): Promise<string> {
  await mkdir(folder)
  await copyFile(fileURLToPath(import.meta.resolve('node/bin/node')), join(folder, 'node'))
  const lines = ['ARG BASE', `FROM \${BASE}`, 'COPY --chmod=0755 node /usr/local/bin/node']
  await writeFile(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`)
  return folder
}

/** The commands of buildah that this takes, on a store of their own. Images are named by their id. */
class Buildah {
  readonly #global: readonly string[]

  constructor(work: string) {
    this.#global = ['--storage-driver', 'vfs', '--root', join(work, 'store'), '--runroot', join(work, 'run')]
  }

  pull(image: string): Promise<string> {
    return this.#run('pull', '--quiet', image)
  }

  build(context: string, dockerfile: string, base: string): Promise<string> {
    const how = ['--quiet', '--isolation', 'chroot', '--network', 'host', '--file', join(context, dockerfile)]
    const args = [`BASE=${base}`, `TARGETARCH=${imageArchitecture(process.arch)}`]
    return this.#run('bud', ...how, ...args.flatMap(arg => ['--build-arg', arg]), context)
  }

  async archive(image: string, path: string): Promise<void> {
    await rm(path, { force: true })
    await this.#run('push', '--quiet', image, `oci-archive:${path}:${reference}`)
  }

  async #run(...args: readonly string[]): Promise<string> {
    const options = { maxBuffer: 16 * MiB }
    const { stdout } = await promisify(execFile)('buildah', [...this.#global, ...args], options)
    return stdout.trim()
  }
}
