import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { manifestPath } from '../../../shared/paths.ts'
import { ownerPart, resourcesPart, uploadRequest } from '../../server/v0/fork-client.ts'
import { namespace, startStage } from './programs.ts'
import { pythonTool } from './python-tool.ts'
import { keepSecret } from './secrets.ts'
import { type Ending, startProcess } from './start-process.ts'
import { testFolder } from './test-folder.ts'

const version = '4.32.5'

/** What {@link stageBundle} asks for. */
const ownRequestsCount = 2

/** Where the bundle is that is only read: the credential cannot revoke what lies here. */
const readNamespace = 'team-read'

export interface FuzzOptions {
  /** How long requests are made up, in seconds. */
  readonly seconds: number
  /** Whether the requests have valid credentials and tokens. */
  readonly isAuthorised: boolean
}

/** A line of the server's log about a request. */
export interface AnsweredLine {
  readonly path: string
  readonly status: number
  readonly action?: string
  readonly outcome?: string
}

/** What came of it. */
export interface Fuzzed {
  readonly ending: Ending
  /** How many requests were made up. */
  readonly casesCount: number
  /** What the server says of each. */
  readonly answered: readonly AnsweredLine[]
}

/**
 * Lets schemathesis make up requests from the server's own document, right and wrong ones, and look whether every answer
 * is as the document says.
 */
export async function fuzz(t: Test, { seconds, isAuthorised }: FuzzOptions): Promise<Fuzzed> {
  const home = testFolder(t)
  const env = { SPARK_STAGE_V0: 'true', SPARK_STAGE_LOG_LEVEL: 'info' }
  const stage = await startStage(t, { home, env })
  const read = await stageBundle(stage.url)
  const credential = (await readFile(stage.credentialFile, 'utf8')).trim()
  const auth = isAuthorised ? authSection(credential, read.token) : ''
  const configFile = join(home, 'schemathesis.toml')
  await writeFile(configFile, auth + settings(read))
  const program = await pythonTool('schemathesis', version, 'schemathesis')
  const args = ['--config-file', configFile, 'run', `${stage.url}/openapi.json`, '--no-color']
  const running = startProcess(t, program, [...args, '--max-time', `${seconds}`], { cwd: home })
  const ending = await running.ended
  const { stdout } = await stage.kill('SIGTERM')
  const lines = stdout.split('\n').filter(line => line.includes('"msg":"request answered"'))
  const casesCount = Number(/^ {2}(\d+) generated/m.exec(ending.stdout)?.[1] ?? 0)
  return { ending, casesCount, answered: lines.map(line => JSON.parse(line)).slice(ownRequestsCount) }
}

interface ReadBundle {
  readonly bundleId: string
  readonly resourceId: string
  readonly token: string
}

/** A bundle that both doors can read: the fork's uploads need no credential for its namespace. */
async function stageBundle(url: string): Promise<ReadBundle> {
  const owner = JSON.stringify({ ownerNamespace: readNamespace })
  const request = uploadRequest([resourcesPart(Buffer.from('an archive')), ownerPart(owner)])
  const bodyAt = request.indexOf('\r\n\r\n') + 4
  const type = /^content-type: (.*)$/im.exec(request.subarray(0, bodyAt).toString())?.[1] ?? ''
  const answer = await fetch(`${url}/api/v0/resources/`, {
    method: 'POST',
    headers: { 'content-type': type.trim() },
    body: new Uint8Array(request.subarray(bodyAt))
  })
  // A boundary: the test fails below if it is anything else.
  const { resourceId, resourceSecret } = (await answer.json()) as Record<
    'resourceId' | 'resourceSecret',
    string
  >
  keepSecret(resourceSecret)
  const bundleId = resourceId.replaceAll('-', '')
  const headers = { authorization: `Bearer ${resourceSecret}` }
  const { status } = await fetch(url + manifestPath(readNamespace, bundleId), { headers })
  if (status !== 200) throw new Error(`the bundle to read is answered ${status}`)
  return { bundleId, resourceId, token: resourceSecret }
}

function authSection(credential: string, token: string): string {
  return `
[auth.openapi]
uploadCredential = { bearer = "${credential}" }
downloadToken = { bearer = "${token}" }
resourceSecret = { api_key = "${token}" }
`
}

/**
 * Mostly names of what is there, so that requests come further than "not found". A good request may always come too late
 * (409, 410), have conditions that do not hold (412, 416), or be more than this server or its store takes (413, 422, 507);
 * 400 and 415 would be the document's fault, but for two files of one name, which no schema can exclude. A method
 * without a route is answered 404, as a path without one is.
 */
function settings({ bundleId, resourceId }: ReadBundle): string {
  const statuses = ['401', '403', '404', '409', '410', '412', '413', '416', '422', '507']
  const list = (more: readonly string[]) => JSON.stringify([...more, ...statuses])
  return `
[checks.positive_data_acceptance]
expected-statuses = ${list(['2xx', '3xx'])}
[checks.negative_data_rejection]
expected-statuses = ${list(['400', '415'])}
[checks.unsupported_method]
enabled = false

[dictionaries]
namespaces = { values = ["${namespace}"] }
readNamespaces = { values = ["${readNamespace}"] }
bundles = { values = ["${bundleId}"] }
resources = { values = ["${resourceId}"] }
kinds = { values = ["files"] }
files = { values = ["resources.tgz"] }

[[operations]]
include-operation-id = "stage"
checks.positive_data_acceptance.expected-statuses = ${list(['2xx', '400'])}

[[operations]]
include-tag = "uploads"
parameters = { "path.ns" = { dictionary = "namespaces", probability = 0.9 } }

[[operations]]
include-tag = "downloads"
[operations.parameters]
"path.ns" = { dictionary = "readNamespaces", probability = 0.95 }
"path.id" = { dictionary = "bundles", probability = 0.95 }
"path.kind" = { dictionary = "kinds", probability = 0.9 }
"path.file" = { dictionary = "files", probability = 0.9 }

[[operations]]
include-tag = "fork"
parameters = { "path.id" = { dictionary = "resources", probability = 0.9 } }
`
}
