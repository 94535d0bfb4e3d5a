import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { type Scope, startProcess } from './start-process.ts'

/**
 * Starts nginx as an ingress before servers: each request goes to the next of them, bytes pass as they come, and only
 * what could not connect is sent elsewhere.
 *
 * @param folder a new one
 * @returns its URL
 */
export async function startBalancer(t: Scope, folder: string, ports: readonly number[]): Promise<string> {
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const configuration = join(folder, 'nginx.conf')
  await writeFile(configuration, configurationText(folder, port, ports))
  startProcess(t, 'nginx', ['-e', join(folder, 'error.log'), '-c', configuration])
  const url = `http://127.0.0.1:${port}`
  // It says nothing when it is ready.
  while (
    !(await fetch(`${url}/livez`).then(
      ({ ok }) => ok,
      () => false
    ))
  )
    await setTimeout(50)
  return url
}

function configurationText(folder: string, port: number, ports: readonly number[]): string {
  const servers = ports.map(one => `    server 127.0.0.1:${one} max_fails=1 fail_timeout=1s;`)
  return `daemon off;
# One process, so that ending it ends all of it.
master_process off;
user root;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream replicas {
${servers.join('\n')}
  }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 300s;
      proxy_send_timeout 300s;
    }
  }
}
`
}
