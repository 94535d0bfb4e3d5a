import { readFile, writeFile } from 'node:fs/promises'
import type { ImageArchive } from './images.ts'
import { statePath } from './paths.ts'

const record = statePath('images.json')

/** Which of these the cluster lacks, or has from another archive. */
export async function missingImages(images: readonly ImageArchive[]): Promise<readonly ImageArchive[]> {
  const imported = await read()
  return images.filter(({ name, archive }) => imported[name] !== archive)
}

export async function rememberImage({ name, archive }: ImageArchive): Promise<void> {
  await writeFile(record, JSON.stringify({ ...(await read()), [name]: archive }, null, 2))
}

async function read(): Promise<Readonly<Record<string, string>>> {
  try {
    return JSON.parse(await readFile(record, 'utf8')) as Record<string, string>
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}
