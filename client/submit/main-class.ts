import { text } from 'node:stream/consumers'
import { openPromise } from 'yauzl'
import { MiB } from '../../shared/units.ts'

/** The manifest of a signed jar with thousands of digests has some megabytes; nothing honest has more. */
const largestManifestBytes = 64 * MiB

/**
 * `Main-Class` in the manifest of a jar, as java.util.jar reads it: long lines go on after a line end and a blank, and
 * only the first section counts.
 *
 * @returns undefined when there is none, or when this is no jar
 */
export async function mainClassOf(jarPath: string): Promise<string | undefined> {
  const manifest = await readManifest(jarPath).catch(() => '')
  const lines = manifest.replaceAll(/\r\n|\r/g, '\n').replaceAll('\n ', '')
  const [mainSection = ''] = lines.split('\n\n')
  return /^Main-Class: *(\S+) *$/im.exec(mainSection)?.[1]
}

async function readManifest(jarPath: string): Promise<string> {
  const jar = await openPromise(jarPath, { lazyEntries: true, autoClose: false })
  try {
    for await (const entry of jar.eachEntry()) {
      if (entry.fileName.toUpperCase() !== 'META-INF/MANIFEST.MF') continue
      if (entry.uncompressedSize > largestManifestBytes) return ''
      return await text(await jar.openReadStreamPromise(entry))
    }
    return ''
  } finally {
    jar.close()
  }
}
