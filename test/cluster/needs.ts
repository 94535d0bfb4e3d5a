import { access, constants, readFile, statfs } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { GiB } from '../../shared/units.ts'
import { stateFolder } from './paths.ts'

/** Programs that the cluster or its images call, and Debian's packages of them. */
const packages = {
  buildah: 'buildah',
  containerd: 'containerd',
  ctr: 'containerd',
  debootstrap: 'debootstrap',
  gcc: 'gcc',
  go: 'golang-go (1.24 or newer)',
  ip: 'iproute2',
  iptables: 'iptables',
  java: 'openjdk-17-jre-headless',
  nsenter: 'util-linux',
  openssl: 'openssl',
  python3: 'python3-pip',
  runc: 'runc',
  sysctl: 'procps',
  tar: 'tar'
} as const

const cniPlugins = ['bridge', 'host-local', 'loopback', 'portmap']
const fileSystems = ['overlay', 'proc', 'tmpfs']
const cgroups = ['cpu', 'cpuset', 'devices', 'memory', 'pids']
/** Bits of `CapEff`, see capabilities(7). */
const capabilities = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_CHROOT: 18,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_MKNOD: 27
}

/** OVERLAYFS_SUPER_MAGIC. */
const overlayType = 0x794c7630
const leastBytes = 8 * GiB

/** Looks whether this machine can carry a cluster. @throws Error that names everything that is missing */
export async function checkMachine(): Promise<void> {
  const missing = [
    ...(await missingCapabilities()),
    ...(await missingPrograms()),
    ...(await missingPlugins()),
    ...(await missingFileSystems()),
    ...(await missingCgroups()),
    ...(await missingDisk())
  ]
  if (missing.length > 0)
    throw new Error(`this machine lacks what a cluster needs:\n  ${missing.join('\n  ')}`)
}

async function missingCapabilities(): Promise<readonly string[]> {
  const effective = /^CapEff:\s+([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return Object.entries(capabilities)
    .filter(([, bit]) => ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 0n)
    .map(([name]) => `the right ${name}: be root, in a container that is allowed it`)
}

async function missingPrograms(): Promise<readonly string[]> {
  const { PATH = '' } = process.env
  const found = async (name: string) =>
    await someExists(PATH.split(delimiter).map(folder => join(folder, name)))
  const missing = Object.entries(packages).map(async ([name, of]) =>
    (await found(name)) ? [] : [`the program ${name}: apt-get install ${of}`]
  )
  return (await Promise.all(missing)).flat()
}

async function missingPlugins(): Promise<readonly string[]> {
  const missing = cniPlugins.map(async name =>
    (await someExists([join('/usr/lib/cni', name)]))
      ? []
      : [`/usr/lib/cni/${name}: apt-get install containernetworking-plugins`]
  )
  return (await Promise.all(missing)).flat()
}

async function missingFileSystems(): Promise<readonly string[]> {
  const known = (await readFile('/proc/filesystems', 'utf8')).split(/\s+/)
  return fileSystems
    .filter(name => !known.includes(name))
    .map(name => `the file system ${name} in the kernel`)
}

/** Version 1 mounts a folder a controller; version 2 lists them in one file. */
async function missingCgroups(): Promise<readonly string[]> {
  const unified = await readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8').catch(() => undefined)
  const has = async (name: string) =>
    // Version 2 has no controller of its own for devices.
    unified === undefined
      ? await someExists([`/sys/fs/cgroup/${name}`])
      : name === 'devices' || unified.includes(name)
  const missing = cgroups.map(async name => ((await has(name)) ? [] : [`the cgroup controller ${name}`]))
  return (await Promise.all(missing)).flat()
}

/** Containers' layers are overlays, which cannot lie on one; two Sparks unpacked twice, and what pods write. */
async function missingDisk(): Promise<readonly string[]> {
  const folder = dirname(stateFolder)
  const { type, bavail, bsize } = await statfs(folder)
  const missing: string[] = []
  if (type === overlayType)
    missing.push(`a disk: ${folder} is an overlay; name another as SPARK_STAGE_CLUSTER_DIR`)
  if (bavail * bsize < leastBytes) missing.push(`free space: ${leastBytes / GiB} GiB in ${folder}`)
  return missing
}

async function someExists(paths: readonly string[]): Promise<boolean> {
  const looks = paths.map(path =>
    access(path, constants.F_OK).then(
      () => true,
      () => false
    )
  )
  return (await Promise.all(looks)).includes(true)
}
