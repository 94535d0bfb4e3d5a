import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether a host name or address, as it stands in a URL, an option or a `Host` header's host part, is this machine's
 * loopback. Names other than `localhost` are not looked up: DNS may lie.
 */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const family = isIP(bare)
  if (family === 0) return bare === 'localhost'
  return loopback.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}

/** Whether secrets sent to this URL could be read on the way: plain http to anything but loopback. */
export function isPlaintext(url: URL): boolean {
  return url.protocol === 'http:' && !isLoopback(url.hostname)
}
