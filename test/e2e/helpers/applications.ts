import { execFile } from 'node:child_process'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { create } from 'tar'

const run = promisify(execFile)
const sources = fileURLToPath(new URL('../applications/', import.meta.url))

/** Files of a user, as they lie on a laptop. All are absolute paths. */
export interface Applications {
  /** Prints what it finds of the jars below. */
  readonly jobJar: string
  /** Two jars of one base name, from two folders. */
  readonly utilJars: readonly [string, string]
  readonly thirdJar: string
  /** Meant to be fetched from a web server. */
  readonly remoteJar: string
  readonly everythingPy: string
  readonly interpreterPy: string
  readonly latePy: string
  readonly preparedPy: string
  readonly sizesPy: string
  /** `packed.py` in a zip. */
  readonly packedZip: string
  /** `single.py`. */
  readonly singleModule: string
  readonly confJson: string
  /** `bin/python`, which says in the environment that it was used. */
  readonly envArchive: string
  /** An executable file that is a Python interpreter, and says so in the same way. */
  readonly tool: string
}

/** Compiles and packs the test's applications against one Spark. */
export async function makeApplications(sparkHome: string, folder: string): Promise<Applications> {
  const path = (name: string) => join(folder, name)
  const classes = path('classes')
  for (const name of ['classes', 'one', 'two', 'env/bin']) await mkdir(path(name), { recursive: true })
  const java = (await readdir(join(sources, 'java'))).map(name => join(sources, 'java', name))
  await run('javac', ['-nowarn', '-cp', join(sparkHome, 'jars/*'), '-d', classes, ...java])
  const jar = async (file: string, name: string, ...more: readonly string[]) => {
    await run('jar', ['--create', '--file', path(file), ...more, '-C', classes, `${name}.class`])
    return path(file)
  }
  const text = async (file: string, content: string) => {
    await writeFile(path(file), content)
    return path(file)
  }
  const singleModule = await text('single.py', "name = 'single'\n")
  await text('packed.py', "name = 'packed'\n")
  await run('jar', ['--create', '--no-manifest', '--file', path('packed.zip'), '-C', folder, 'packed.py'])
  await interpreter(path('env/bin/python'), 'env')
  await create({ gzip: true, file: path('env.tar.gz'), cwd: path('env') }, ['bin'])
  await interpreter(path('tool'), 'tool')
  return {
    jobJar: await jar('job.jar', 'Job', '--main-class', 'Job'),
    utilJars: [await jar('one/util.jar', 'First'), await jar('two/util.jar', 'Second')],
    thirdJar: await jar('third.jar', 'Third'),
    remoteJar: await jar('remote.jar', 'Remote'),
    everythingPy: join(sources, 'python/everything.py'),
    interpreterPy: join(sources, 'python/interpreter.py'),
    latePy: join(sources, 'python/late.py'),
    preparedPy: join(sources, 'python/prepared.py'),
    sizesPy: join(sources, 'python/sizes.py'),
    packedZip: path('packed.zip'),
    singleModule,
    confJson: await text('conf.json', '{"name":"staged"}'),
    envArchive: path('env.tar.gz'),
    tool: path('tool')
  }
}

async function interpreter(path: string, name: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\nexport STAGED_INTERPRETER=${name}\nexec /usr/bin/python3 "$@"\n`)
  await chmod(path, 0o755)
}
