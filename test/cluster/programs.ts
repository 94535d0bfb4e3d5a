import { chmod, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { onceCached } from './once-cached.ts'
import { cacheFolder, ownPath } from './paths.ts'
import { runCommand } from './run-command.ts'

/** The newest line whose kubelet still starts on cgroup v1; `programs/go.mod` says the same. */
export const kubernetesVersion = '1.34.4'
const coreDnsVersion = '1.12.4'

/** Go packages, by the name of the program. Debian's etcd is too old for a watch with progress. */
const packages = {
  'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
  'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
  'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
  'kube-proxy': 'k8s.io/kubernetes/cmd/kube-proxy',
  kubelet: 'k8s.io/kubernetes/cmd/kubelet',
  kubectl: 'k8s.io/kubernetes/cmd/kubectl',
  etcd: 'go.etcd.io/etcd/server/v3'
} as const

export type Program = keyof typeof packages | 'coredns'

/** What the programs say of themselves; built from a module they would know no version. */
const flags = [
  '-s',
  '-w',
  ...stamp('gitVersion', `v${kubernetesVersion}`),
  ...stamp('gitMajor', '1'),
  ...stamp('gitMinor', '34')
]

const buildMs = 40 * 60_000

/** The path of a program that {@link buildPrograms} built. */
export function programPath(program: Program): string {
  return program === 'coredns'
    ? join(cacheFolder, `coredns-${coreDnsVersion}`, 'bin', program)
    : join(cacheFolder, `kubernetes-${kubernetesVersion}`, 'bin', program)
}

/** Builds what the cache lacks, from source: ten minutes the first time. */
export async function buildPrograms(): Promise<void> {
  for (const [program, source] of Object.entries(packages)) {
    await onceCached(programPath(program as Program), async draft => {
      const build = ['build', '-trimpath', `-ldflags=${flags.join(' ')}`, '-o', draft, source]
      await runCommand('go', build, { cwd: ownPath('programs'), timeoutMs: buildMs })
    })
  }
  await onceCached(programPath('coredns'), async draft => {
    const bin = `${draft}-bin`
    await mkdir(bin, { recursive: true })
    const source = `github.com/coredns/coredns@v${coreDnsVersion}`
    await runCommand('go', ['install', source], { env: { GOBIN: bin }, timeoutMs: buildMs })
    await rename(join(bin, 'coredns'), draft)
    await chmod(draft, 0o755)
  })
}

function stamp(name: string, value: string): readonly string[] {
  return ['-X', `k8s.io/component-base/version.${name}=${value}`]
}
