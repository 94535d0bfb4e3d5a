/**
 * A web server for one folder: `node https-file-server.ts FOLDER HOST PORT`, with `cert.pem` and `key.pem` in it.
 * It runs as a process of its own, because it has to be inside the cluster's network.
 */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

const [folder, host, port] = process.argv.slice(2)
if (folder === undefined || host === undefined) throw new Error('expected FOLDER HOST PORT')
const [cert, key] = await Promise.all(['cert.pem', 'key.pem'].map(name => readFile(join(folder, name))))

const server = createServer({ cert, key }, (request, response) => {
  const file = createReadStream(join(folder, basename(request.url ?? '')))
  pipeline(file, response).catch(() => response.destroy())
})
server.listen(Number(port), host, () => process.stdout.write('listening\n'))
