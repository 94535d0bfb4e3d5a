import type { Test } from 'tap'
import { blobPath, bundlePath, bundlesPath } from '../../shared/paths.ts'
import { dayMs, hourMs, secondMs } from '../../shared/units.ts'
import { call, download, stage, upload } from './call.ts'
import { credential, sha256, startServer, type TestServer } from './start-server.ts'
import { TestClock } from './test-clock.ts'
import { until } from './until.ts'

/** A line of the log about something that is audited. */
export interface AuditLine {
  readonly msg: string
  readonly action: string
  readonly outcome: string
  readonly [field: string]: unknown
}

/** The audit lines of a server so far. */
export function auditLines(server: Pick<TestServer, 'logLines'>): readonly AuditLine[] {
  return server.logLines.map(line => JSON.parse(line)).filter(({ action }) => action !== undefined)
}

/** Does everything that is audited, each once, with success. @returns its lines, in order */
export async function doAll(t: Test): Promise<readonly AuditLine[]> {
  const clock = new TestClock()
  const server = await startServer(t, { clock })
  const shot = (await stage(server, [['files', 'conf.json', 'one']])).json
  const entry = { kind: 'jars', name: 'util.jar', sizeBytes: 3, sha256: sha256('two') }
  const draft = (await upload(server, 'POST', bundlesPath('team-a'), { entries: [entry] })).json
  const headers = { authorization: `Bearer ${credential}` }
  await call(server, 'PUT', blobPath('team-a', draft.bundleId, entry.sha256), { headers, body: 'two' })
  for (const verb of ['commit', 'token', 'renew']) {
    await upload(server, 'POST', `${bundlePath('team-a', draft.bundleId)}/${verb}`)
  }
  await upload(server, 'DELETE', bundlePath('team-a', draft.bundleId))
  await download(server, shot.bundleId, shot.token)
  await download(server, shot.bundleId, shot.token, '/entries/files/conf.json')
  await until(() => auditLines(server).length === 9)
  clock.advance(7 * dayMs + hourMs)
  await until(() => {
    clock.advance(60 * secondMs)
    return auditLines(server).length === 10
  })
  return auditLines(server)
}
