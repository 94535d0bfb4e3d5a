import { startNginx } from './nginx.ts'
import type { Scope } from './start-process.ts'

/**
 * Starts nginx as an ingress before servers: each request goes to the next of them, bytes pass as they come, and only
 * what could not connect is sent elsewhere.
 *
 * @param folder a new one
 * @returns its URL
 */
export function startBalancer(scope: Scope, folder: string, ports: readonly number[]): Promise<string> {
  const servers = ports.map(port => `server 127.0.0.1:${port} max_fails=1 fail_timeout=1s;`)
  return startNginx(scope, folder, { http: `upstream replicas { ${servers.join(' ')} }`, location })
}

const location = `proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_connect_timeout 2s;
      proxy_read_timeout 300s;
      proxy_send_timeout 300s;`
