import t from 'tap'
import { download, stage } from '../../helpers/call.ts'
import { startServer } from '../../helpers/start-server.ts'

t.test('files staged in one request are read back with the token', async t => {
  const server = await startServer(t)

  const staged = await stage(server, [
    ['files', 'conf.json', '{"a":1}'],
    ['archives', 'env.tgz#env', 'not really a tarball']
  ])
  const manifest = await download(server, staged.json.bundleId, staged.json.token)
  const entry = await download(server, staged.json.bundleId, staged.json.token, '/entries/files/conf.json')

  t.equal(staged.status, 201)
  t.match(manifest.json.entries, [
    { kind: 'files', name: 'conf.json', path: 'files/conf.json', sizeBytes: 7, executable: false },
    { kind: 'archives', name: 'env.tgz', alias: 'env', path: 'archives/env.tgz' }
  ])
  t.equal(entry.bytes.toString(), '{"a":1}')
})
