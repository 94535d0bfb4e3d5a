import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from 'js-yaml'
import type { Test } from 'tap'
import { nodeAddress } from '../../cluster/addresses.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { runCommand } from '../../cluster/run-command.ts'
import { waitUntil } from '../../cluster/wait-until.ts'
import { outsideFolder } from '../../integration/helpers/outside-folder.ts'
import { repositoryPath } from '../../integration/helpers/programs.ts'
import { startProcess } from '../../integration/helpers/start-process.ts'
import type { Instance } from './instance.ts'

/** An nginx in front of an instance. */
export interface Ingress {
  readonly url: string
  /** PEM file of its authority. */
  readonly caFile: string
}

const port = 8444

/**
 * Starts a real nginx in the cluster's network that does what ingress-nginx makes of the annotations in `deploy/`, which
 * are read from there.
 */
export async function startIngress(t: Test, cluster: Cluster, instance: Instance): Promise<Ingress> {
  const folder = await outsideFolder(t)
  const path = (name: string) => join(folder, name)
  const names = ['-subj', '/CN=ingress', '-addext', `subjectAltName=IP:${nodeAddress}`]
  const outputs = ['-keyout', path('key.pem'), '-out', path('cert.pem')]
  const newKey = ['-newkey', 'rsa:2048', '-noenc', '-days', '2']
  await runCommand('openssl', ['req', '-x509', ...newKey, ...names, ...outputs])
  const service = ['get', 'service', instance.name, '--namespace', instance.namespace]
  const address = await cluster.kubectl(...service, '--output', 'jsonpath={.spec.clusterIP}')
  await writeFile(path('nginx.conf'), nginxConfiguration(folder, address, await readAnnotations()))
  const nginx = ['nginx', '-p', folder, '-c', path('nginx.conf'), '-e', path('error.log')]
  const [command = '', ...args] = [...cluster.inNamespace, ...nginx]
  startProcess(t, command, args)
  const url = `https://${nodeAddress}:${port}`
  const [curl = '', ...asked] = [
    ...cluster.inNamespace,
    ...['curl', '-sf', '--cacert', path('cert.pem'), `${url}/readyz`]
  ]
  await waitUntil('the ingress answers', 20_000, async () => (await runCommand(curl, asked)) !== '')
  return { url, caFile: path('cert.pem') }
}

const prefix = 'nginx.ingress.kubernetes.io/'

/** The annotations of our Ingress, without the prefix. */
async function readAnnotations(): Promise<(name: string) => string> {
  const text = await readFile(repositoryPath('deploy/components/ingress/ingress.yaml'), 'utf8')
  const { metadata } = load(text) as {
    readonly metadata: { readonly annotations: Readonly<Record<string, string>> }
  }
  return name => {
    const value = metadata.annotations[prefix + name]
    if (value === undefined) throw new Error(`our Ingress has no annotation ${name}`)
    return value
  }
}

/** @see https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/ */
function nginxConfiguration(folder: string, address: string, annotation: (name: string) => string): string {
  return `daemon off;
# One process, which one signal ends.
master_process off;
pid ${folder}/nginx.pid;
worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  server {
    listen ${nodeAddress}:${port} ssl;
    ssl_certificate ${folder}/cert.pem;
    ssl_certificate_key ${folder}/key.pem;
    client_max_body_size ${annotation('proxy-body-size')};
    location / {
      proxy_pass http://${address}:10000;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_http_version ${annotation('proxy-http-version')};
      proxy_request_buffering ${annotation('proxy-request-buffering')};
      proxy_buffering ${annotation('proxy-buffering')};
      proxy_max_temp_file_size ${annotation('proxy-max-temp-file-size')};
      proxy_read_timeout ${annotation('proxy-read-timeout')}s;
      proxy_send_timeout ${annotation('proxy-send-timeout')}s;
    }
  }
}
`
}
