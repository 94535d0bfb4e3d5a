import multipart from '@fastify/multipart'
import Fastify, { errorCodes } from 'fastify'
import t from 'tap'
import { answerClientError, fastifyCodes } from '../../../server/plugins/errors.ts'
import { StorageError } from '../../../server/storage/storage-driver.ts'
import { errorTable } from '../../../shared/errors.ts'
import { bundlesPath } from '../../../shared/paths.ts'
import { stage, upload } from '../../helpers/call.ts'
import { isRefusal, leavesNothing } from '../../helpers/refusals.ts'
import { startServer } from '../../helpers/start-server.ts'
import { watchStore } from '../../helpers/watched-store.ts'

/** What goes wrong while a server is put together never reaches a client. */
const neverAnswered = ['FST_ERR_CTP_INSTANCE_ALREADY_STARTED', 'FST_ERR_INVALID_URL']

interface KnownError {
  readonly code: string
  readonly statusCode?: number
}

/** All codes of Fastify and its multipart plugin that blame the client. */
async function clientCodes(): Promise<readonly string[]> {
  const app = Fastify()
  await app.register(multipart)
  // A boundary: both are tables of error classes, which their types do not say.
  const classes = [
    ...Object.values(errorCodes),
    ...Object.values(app.multipartErrors)
  ] as readonly (new () => KnownError)[]
  return classes
    .map(KnownErrorClass => new KnownErrorClass())
    .filter(({ statusCode = 500 }) => statusCode >= 400 && statusCode < 500)
    .map(({ code }) => code)
}

t.test(
  'every code of Fastify and its plugins that blames the client is in the words of our table',
  async t => {
    const codes = await clientCodes()

    t.strictSame(
      codes.filter(code => !neverAnswered.includes(code) && !(code in fastifyCodes)),
      []
    )
    t.strictSame(
      Object.keys(fastifyCodes).filter(code => !codes.includes(code)),
      [],
      'and none is there in vain'
    )
    for (const code of Object.values(fastifyCodes)) t.ok(errorTable[code].status < 500, code)
  }
)

for (const [failure, status, code] of [
  ['no-space', 507, 'STAGE_ERR_NO_SPACE'],
  ['broken', 500, 'STAGE_ERR_INTERNAL'],
  ['busy', 500, 'STAGE_ERR_INTERNAL'],
  ['not-found', 500, 'STAGE_ERR_INTERNAL']
] as const) {
  t.test(
    `a store that fails as ${failure} is answered ${status}, without a word of what it said`,
    async t => {
      const store = { fails: false }
      const server = await startServer(t, {
        wrapStore: opened =>
          watchStore(opened, {
            before: method => {
              if (store.fails && method !== 'delete' && method !== 'probe')
                throw new StorageError(failure, '/secret/path: EIO')
            }
          })
      })
      store.fails = true

      for (const ask of [
        () => stage(server, [['files', 'a', '1']]),
        () => upload(server, 'GET', bundlesPath('team-a'))
      ]) {
        await leavesNothing(t, server, async () => {
          const answer = await ask()

          isRefusal(t, answer, { status, code })
          t.strictSame(Object.keys(answer.error), ['code', 'message', 'todo', 'requestId'])
          t.match(
            server.logLines.join(''),
            new RegExp(`"reqId":"${answer.error.requestId}".*/secret/path: EIO`)
          )
        })
      }

      store.fails = false
      t.equal((await stage(server, [['files', 'a', '1']])).status, 201, 'the server goes on')
    }
  )
}

t.test('a bug is answered with 500 and no detail', async t => {
  const server = await startServer(t, {
    wrapStore: store =>
      watchStore(store, {
        before: method => {
          if (method === 'list') throw new TypeError('undefined is not a function')
        }
      })
  })

  const answer = await upload(server, 'GET', bundlesPath('team-a'))

  isRefusal(t, answer, { status: 500, code: 'STAGE_ERR_INTERNAL' })
  t.notMatch(answer.bytes.toString(), 'undefined is not')
  t.match(server.logLines.join(''), 'undefined is not a function')
})

t.test('a request that does not come in time is dropped without an answer', async t => {
  const app = Fastify()
  const said: string[] = []
  const socket = {
    writable: true,
    bytesWritten: 0,
    write: (text: string) => said.push(text),
    destroySoon: () => said.push('closed')
  }

  // A boundary: the timeout takes a minute on a real socket.
  answerClientError.call(
    app,
    { name: 'Error', message: '', code: 'ERR_HTTP_REQUEST_TIMEOUT' },
    socket as never
  )

  t.strictSame(said, ['closed'])
})
