import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { apiServer, apiServiceAddress, nodeAddress } from './addresses.ts'
import { isThere } from './once-cached.ts'
import { statePath } from './paths.ts'
import { runCommand } from './run-command.ts'

/** A certificate that the cluster's authority signed, and its key: paths. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

export const authority = certificatePaths('ca')
export const serving = certificatePaths('apiserver')
/** Signs the tokens of service accounts. */
export const serviceAccountKey = statePath('pki', 'service-accounts.key')

// RSA: the client that Spark uses reads no other key without more libraries.
const keyOptions = ['-newkey', 'rsa:2048', '-noenc', '-days', '365']

/** Makes the cluster's authority, the API server's certificate and the key for service accounts. */
export async function makeAuthority(): Promise<void> {
  await mkdir(statePath('pki'), { recursive: true, mode: 0o700 })
  const names = ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc']
  const addresses = ['127.0.0.1', nodeAddress, apiServiceAddress]
  const subjects = [...names.map(name => `DNS:${name}`), ...addresses.map(address => `IP:${address}`)]
  await openssl('req', '-x509', ...keyOptions, '-subj', '/CN=spark-stage-cluster', ...outputs(authority))
  await sign(serving, '/CN=kube-apiserver', 'serverAuth', `subjectAltName=${subjects}`)
  await openssl('genrsa', '-out', serviceAccountKey, '2048')
}

/**
 * A client certificate, which is how Kubernetes knows a user of no service account.
 *
 * @param groups organisations of the certificate, for example `system:masters`
 */
export async function userCertificate(user: string, groups: readonly string[]): Promise<Certificate> {
  const paths = certificatePaths(['user', user, ...groups].join('-').replace(/[^\w-]/g, '-'))
  const subject = [`CN=${user}`, ...groups.map(group => `O=${group}`)].map(part => `/${part}`).join('')
  if (!(await isThere(paths.certificate))) await sign(paths, subject, 'clientAuth')
  return paths
}

/** Writes a kubeconfig for a user of {@link userCertificate}. @returns its path */
export async function certificateKubeconfig(user: string, groups: readonly string[]): Promise<string> {
  const { certificate, key } = await userCertificate(user, groups)
  const credential = {
    'client-certificate-data': await base64(certificate),
    'client-key-data': await base64(key)
  }
  return await writeKubeconfig(user, apiServer, await base64(authority.certificate), credential)
}

/**
 * Writes a kubeconfig, as JSON, which YAML includes.
 *
 * @param authorityData base64 of the PEM file; undefined when the machine trusts the server
 * @returns its path
 */
export async function writeKubeconfig(
  name: string,
  server: string,
  authorityData: string | undefined,
  credential: Readonly<Record<string, string>>
): Promise<string> {
  const path = statePath('kubeconfig', name.replace(/[^\w-]/g, '-'))
  const cluster = {
    server,
    ...(authorityData === undefined ? {} : { 'certificate-authority-data': authorityData })
  }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'cluster', cluster }],
    users: [{ name, user: credential }],
    contexts: [{ name: 'context', context: { cluster: 'cluster', user: name } }],
    'current-context': 'context'
  }
  await mkdir(statePath('kubeconfig'), { recursive: true, mode: 0o700 })
  await writeFile(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 })
  return path
}

function certificatePaths(name: string): Certificate {
  return { certificate: statePath('pki', `${name}.crt`), key: statePath('pki', `${name}.key`) }
}

async function sign(
  paths: Certificate,
  subject: string,
  usage: string,
  ...extensions: string[]
): Promise<void> {
  const by = ['-x509', '-CA', authority.certificate, '-CAkey', authority.key]
  const all = ['basicConstraints=critical,CA:FALSE', `extendedKeyUsage=${usage}`, ...extensions]
  const added = all.flatMap(extension => ['-addext', extension])
  await openssl('req', ...by, ...keyOptions, '-subj', subject, ...added, ...outputs(paths))
}

function outputs({ certificate, key }: Certificate): readonly string[] {
  return ['-out', certificate, '-keyout', key]
}

async function openssl(...args: readonly string[]): Promise<void> {
  await runCommand('openssl', args)
}

async function base64(path: string): Promise<string> {
  return await readFile(path, 'base64')
}
