import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { type Scope, startProcess } from './start-process.ts'

/** What an nginx does, in its own words. */
export interface NginxTask {
  /** The directives of its one `location /`. */
  readonly location: string
  /** Directives of `http`. */
  readonly http?: string
}

/**
 * Starts Debian's nginx on loopback, as one process, and waits until it answers anything at all.
 *
 * @param folder a new one, for all that nginx writes
 * @returns its URL
 */
export async function startNginx(scope: Scope, folder: string, task: NginxTask): Promise<string> {
  await mkdir(folder, { recursive: true })
  const port = await freePort()
  const configuration = join(folder, 'nginx.conf')
  await writeFile(configuration, configurationText(folder, port, task))
  startProcess(scope, 'nginx', ['-e', join(folder, 'error.log'), '-c', configuration])
  const url = `http://127.0.0.1:${port}`
  await untilItAnswers(url)
  return url
}

function configurationText(folder: string, port: number, { location, http = '' }: NginxTask): string {
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
  sendfile on;
  tcp_nopush on;
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ${http}
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      ${location}
    }
  }
}
`
}

/** nginx says nothing when it is ready. */
async function untilItAnswers(url: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await fetch(url)
      return
    } catch (error) {
      if (tries === 100) throw error
      await setTimeout(50)
    }
  }
}
