import { isIP } from 'node:net'

/**
 * A list of addresses and ranges, separated by commas: `10.0.0.7, 10.1.0.0/16, fd00::/8`.
 *
 * @throws Error that shows the first that is neither
 */
export function parseProxies(text: string): readonly string[] {
  return text.split(',').map(item => checkRange(item.trim()))
}

function checkRange(range: string): string {
  const [address = '', prefix, ...rest] = range.split('/')
  const family = isIP(address)
  const isPrefix =
    prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
  if (family !== 0 && isPrefix && rest.length === 0) return range
  throw new Error(`expected addresses or ranges such as 10.0.0.0/8, found ${JSON.stringify(range)}`)
}
