import { copyFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { nodeAddress } from '../../cluster/addresses.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { runCommand } from '../../cluster/run-command.ts'
import { outsideFolder } from '../../integration/helpers/outside-folder.ts'
import { startProcess } from '../../integration/helpers/start-process.ts'

/** A web server that pods reach, with a certificate that nobody knows. */
export interface FileServer {
  readonly url: string
  /** A trust store for Java that knows the certificate; absolute. */
  readonly trustStore: string
  readonly trustStoreName: string
}

const port = 8443
// Java reads certificates out of a JKS file without its password.
const trustStoreName = 'trusted.jks'

/** Serves one file over https until the test's end. */
export async function startFileServer(t: Test, cluster: Cluster, file: string): Promise<FileServer> {
  const folder = await outsideFolder(t)
  const path = (name: string) => join(folder, name)
  const names = ['-subj', '/CN=web', '-addext', `subjectAltName=IP:${nodeAddress}`]
  const outputs = ['-keyout', path('key.pem'), '-out', path('cert.pem')]
  const newKey = ['-newkey', 'rsa:2048', '-noenc', '-days', '2']
  await runCommand('openssl', ['req', '-x509', ...newKey, ...names, ...outputs])
  const store = ['-keystore', path(trustStoreName), '-storetype', 'JKS', '-storepass', 'changeit']
  const certificate = ['-alias', 'web', '-file', path('cert.pem')]
  await runCommand('keytool', ['-importcert', '-noprompt', ...certificate, ...store])
  await copyFile(file, path(basename(file)))
  const program = fileURLToPath(new URL('https-file-server.ts', import.meta.url))
  const server = [process.execPath, program, folder, nodeAddress, `${port}`]
  const [command = '', ...args] = [...cluster.inNamespace, ...server]
  await startProcess(t, command, args).line('listening')
  return { url: `https://${nodeAddress}:${port}`, trustStore: path(trustStoreName), trustStoreName }
}
