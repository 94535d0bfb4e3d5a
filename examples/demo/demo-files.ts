import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { zipSync } from 'fflate'
import { create } from 'tar'
import type { Kind } from '../../shared/names.ts'

/** A file that the demo stages, and the flag that `put` takes it with. */
export interface DemoFile {
  readonly kind: Kind
  readonly flag: string
  readonly filePath: string
  readonly alias?: string
}

const wordCount = fileURLToPath(new URL('../word-count', import.meta.url))

/**
 * The word count application as its author would hand it over: the script, the package as a zip, the data file and
 * the archive. The zip and the archive are packed into `folder`.
 */
export async function wordCountFiles(folder: string): Promise<readonly DemoFile[]> {
  await mkdir(folder)
  const zip = join(folder, 'wordtools.zip')
  const modules = (await readdir(join(wordCount, 'wordtools'))).filter(name => name.endsWith('.py'))
  const contents = modules.map(
    async name => [`wordtools/${name}`, await readFile(join(wordCount, 'wordtools', name))] as const
  )
  await writeFile(zip, zipSync(Object.fromEntries(await Promise.all(contents))))
  const archive = join(folder, 'lexicon.tar.gz')
  await create({ file: archive, cwd: join(wordCount, 'lexicon'), gzip: true, portable: true }, ['.'])
  return [
    { kind: 'app', flag: '--app', filePath: join(wordCount, 'app.py') },
    { kind: 'pyFiles', flag: '--py-file', filePath: zip },
    { kind: 'files', flag: '--file', filePath: join(wordCount, 'stopwords.txt') },
    { kind: 'archives', flag: '--archive', filePath: archive, alias: 'lexicon' }
  ]
}

/** The files named on the command line, as data files. @throws Error that names one that is missing or a directory */
export async function namedFiles(paths: readonly string[]): Promise<readonly DemoFile[]> {
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined)
    if (!info?.isFile())
      throw new Error(`${basename(path)}: expected a file, found ${info ? 'something else' : 'nothing'}`)
  }
  return paths.map(path => ({ kind: 'files', flag: '--file', filePath: resolve(path) }))
}
