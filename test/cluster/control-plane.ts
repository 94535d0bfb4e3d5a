import { mkdir } from 'node:fs/promises'
import { apiServer, nodeAddress, podRange, serviceRange } from './addresses.ts'
import {
  authority,
  certificateKubeconfig,
  serviceAccountKey,
  serving,
  userCertificate
} from './certificates.ts'
import { statePath } from './paths.ts'
import { startProcess } from './processes.ts'
import { programPath } from './programs.ts'

/** Starts etcd, the API server, the controllers and the scheduler; they find each other. @returns the admin's kubeconfig */
export async function startControlPlane(): Promise<string> {
  await startEtcd()
  await startApiServer()
  await startProcess('kube-controller-manager', [
    programPath('kube-controller-manager'),
    `--kubeconfig=${await certificateKubeconfig('system:kube-controller-manager', [])}`,
    `--service-account-private-key-file=${serviceAccountKey}`,
    `--root-ca-file=${authority.certificate}`,
    '--use-service-account-credentials',
    '--leader-elect=false',
    `--cluster-cidr=${podRange}`
  ])
  await startProcess('kube-scheduler', [
    programPath('kube-scheduler'),
    `--kubeconfig=${await certificateKubeconfig('system:kube-scheduler', [])}`,
    '--leader-elect=false'
  ])
  return await certificateKubeconfig('admin', ['system:masters'])
}

async function startEtcd(): Promise<void> {
  const folder = statePath('etcd')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const clients = 'http://127.0.0.1:2379'
  await startProcess('etcd', [
    programPath('etcd'),
    `--data-dir=${folder}`,
    `--listen-client-urls=${clients}`,
    `--advertise-client-urls=${clients}`,
    '--listen-peer-urls=http://127.0.0.1:2380',
    // Nothing here outlives the machine.
    '--unsafe-no-fsync',
    '--log-level=warn'
  ])
}

async function startApiServer(): Promise<void> {
  const kubelets = await userCertificate('kube-apiserver', ['system:masters'])
  await startProcess('kube-apiserver', [
    programPath('kube-apiserver'),
    '--etcd-servers=http://127.0.0.1:2379',
    '--bind-address=0.0.0.0',
    `--advertise-address=${nodeAddress}`,
    `--secure-port=${new URL(apiServer).port}`,
    `--service-cluster-ip-range=${serviceRange}`,
    `--tls-cert-file=${serving.certificate}`,
    `--tls-private-key-file=${serving.key}`,
    `--client-ca-file=${authority.certificate}`,
    `--kubelet-client-certificate=${kubelets.certificate}`,
    `--kubelet-client-key=${kubelets.key}`,
    // Nothing resolves the node's name, and kubectl logs would ask for it.
    '--kubelet-preferred-address-types=InternalIP',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${serviceAccountKey}`,
    `--service-account-signing-key-file=${serviceAccountKey}`
  ])
}
