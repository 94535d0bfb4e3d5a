import { quote } from '../../shared/errors.ts'
import { checkName } from '../../shared/names.ts'
import { FetchError } from '../fetch-error.ts'

/** A file that is fetched from where it is. */
export interface RemoteFile {
  /** The last part of the URL's path, which is how the file is named in its folder. */
  readonly name: string
  readonly url: URL
}

/**
 * A comma list of URLs, as `remoteJars` and `remoteFiles` are.
 *
 * @param key names the list in errors
 * @throws FetchError `usage` for a URL that is not http(s), has credentials or no file name, and for two of one name
 */
export function parseRemoteFiles(list: string, key: string): readonly RemoteFile[] {
  const texts = list.split(',').map(text => text.trim())
  const files = texts.filter(text => text !== '').map(text => parseRemoteFile(text, key))
  const names = new Set<string>()
  for (const { name } of files) {
    if (names.has(name)) throw wrong(key, 'one URL for each file name', `two for ${quote(name)}`)
    names.add(name)
  }
  return files
}

function parseRemoteFile(text: string, key: string): RemoteFile {
  const url = URL.parse(text)
  if (url === null) throw wrong(key, 'http(s) URLs', 'something else')
  if (!/^https?:$/.test(url.protocol)) {
    throw wrong(
      key,
      'http(s) URLs: anything else Spark has to fetch itself',
      `the scheme ${quote(url.protocol)}`
    )
  }
  if (url.username + url.password !== '') throw wrong(key, 'URLs without credentials', 'one with credentials')
  return { name: nameOf(url, key), url }
}

function nameOf(url: URL, key: string): string {
  try {
    return checkName(decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf('/') + 1)))
  } catch {
    throw wrong(key, 'URLs that end in a file name', `another on ${url.host}`)
  }
}

function wrong(key: string, expected: string, found: string): FetchError {
  return new FetchError({ exit: 'usage', subject: key, expected, found })
}
