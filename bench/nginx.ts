import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePort } from '../test/integration/helpers/free-port.ts'
import { type Scope, startProcess } from '../test/integration/helpers/start-process.ts'

/** Plain nginx as Debian ships it: one process, sendfile, WebDAV PUT into `root`. */
export interface Nginx {
  readonly url: string
  readonly root: string
}

/** Starts nginx below `folder`; it has to be installed. */
export async function startNginx(scope: Scope, folder: string): Promise<Nginx> {
  const root = join(folder, 'root')
  await mkdir(root, { recursive: true })
  const port = await freePort()
  const configuration = join(folder, 'nginx.conf')
  await writeFile(configuration, configurationText(folder, root, port))
  startProcess(scope, 'nginx', ['-e', join(folder, 'error.log'), '-c', configuration])
  const url = `http://127.0.0.1:${port}`
  await untilItAnswers(url)
  return { url, root }
}

function configurationText(folder: string, root: string, port: number): string {
  return `daemon off;
# One process, so that ending it ends all of it.
master_process off;
user root;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 768; }
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
  server {
    listen 127.0.0.1:${port};
    root ${root};
    location / { dav_methods PUT; }
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
