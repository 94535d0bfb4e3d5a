import { type Manifest, parseManifest } from '../shared/manifest.ts'
import { manifestPath } from '../shared/paths.ts'
import { MiB } from '../shared/units.ts'
import type { FetchTask } from './fetch-bundle.ts'
import { FetchError } from './fetch-error.ts'
import { persevere } from './persevere.ts'
import { readText } from './read-text.ts'

const subject = 'manifest'
const maxManifestBytes = 16 * MiB

/**
 * Asks for the manifest and believes nothing in it that was not checked.
 *
 * @throws FetchError `refused` when it is not a good manifest of this bundle
 */
export async function fetchManifest(task: FetchTask, signal: AbortSignal): Promise<Manifest> {
  const { namespace, bundleId } = task.options
  const text = await persevere(task, subject, signal, async () => {
    const { body } = await task.client.get(subject, manifestPath(namespace, bundleId), {}, signal)
    return readText(body, maxManifestBytes)
  })
  if (text === undefined) {
    throw new FetchError({
      exit: 'refused',
      subject,
      expected: `at most ${maxManifestBytes} bytes`,
      found: 'more'
    })
  }
  try {
    return parseManifest(JSON.parse(text), namespace, bundleId)
  } catch (cause) {
    const found = cause instanceof SyntaxError ? 'no JSON' : (cause as Error).message
    throw new FetchError({ exit: 'refused', subject, expected: 'a manifest of this bundle', found }, cause)
  }
}
