import { mkdir, writeFile } from 'node:fs/promises'
import { clusterDomain, nodeAddress, nodeName, podRange } from './addresses.ts'
import { authority, certificateKubeconfig } from './certificates.ts'
import { containerdSocket } from './container-runtime.ts'
import { statePath } from './paths.ts'
import { startProcess } from './processes.ts'
import { programPath } from './programs.ts'

/** Starts the kubelet, the service addresses and the names of services. */
export async function startNode(adminKubeconfig: string): Promise<void> {
  await startKubelet()
  await startProcess('kube-proxy', [
    programPath('kube-proxy'),
    `--kubeconfig=${await certificateKubeconfig('system:kube-proxy', [])}`,
    `--hostname-override=${nodeName}`,
    `--cluster-cidr=${podRange}`,
    '--proxy-mode=iptables',
    '--conntrack-max-per-core=0'
  ])
  await writeFile(statePath('Corefile'), corefile(adminKubeconfig))
  await startProcess('coredns', [programPath('coredns'), '-conf', statePath('Corefile')])
}

async function startKubelet(): Promise<void> {
  await mkdir(statePath('manifests'), { recursive: true })
  await writeFile(statePath('resolv.conf'), `nameserver ${nodeAddress}\n`)
  await writeFile(statePath('kubelet.json'), JSON.stringify(kubeletConfiguration, null, 2))
  await startProcess('kubelet', [
    programPath('kubelet'),
    `--config=${statePath('kubelet.json')}`,
    `--kubeconfig=${await certificateKubeconfig(`system:node:${nodeName}`, ['system:nodes'])}`,
    `--root-dir=${statePath('kubelet')}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${nodeAddress}`
  ])
}

/** A kubelet that claims no more of the machine than it is given: no cgroup hierarchy, no oom score, all of the disk. */
const kubeletConfiguration = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: `unix://${containerdSocket}`,
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: false },
    x509: { clientCAFile: authority.certificate }
  },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  cgroupsPerQOS: false,
  enforceNodeAllocatable: [],
  failSwapOn: false,
  failCgroupV1: false,
  oomScoreAdj: 0,
  clusterDNS: [nodeAddress],
  clusterDomain,
  resolvConf: statePath('resolv.conf'),
  podLogsDir: statePath('pod-logs'),
  volumePluginDir: statePath('volume-plugins'),
  staticPodPath: statePath('manifests'),
  evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  // A pod that waits for its Secret is to start soon after that is there.
  syncFrequency: '10s',
  maxPods: 60,
  registerNode: true
}

function corefile(kubeconfig: string): string {
  return `.:53 {
  bind ${nodeAddress}
  kubernetes ${clusterDomain} in-addr.arpa {
    kubeconfig ${kubeconfig} context
  }
  loadbalance
}
`
}
