import t from 'tap'
import { lastingCredential } from '../../client/upload-credential.ts'
import { hourMs, minuteMs } from '../../shared/units.ts'

t.test('a token is used for two thirds of its hour, then one asks for another', async t => {
  let nowMs = 0
  let asked = 0
  const credential = await lastingCredential(
    async seconds => {
      t.equal(seconds, hourMs / 1000)
      asked += 1
      return `token-${asked}`
    },
    () => nowMs
  )

  t.equal(await credential(), 'token-1')
  nowMs = 40 * minuteMs - 1
  t.equal(await credential(), 'token-1')
  nowMs = 40 * minuteMs
  t.strictSame(await Promise.all([credential(), credential()]), ['token-2', 'token-2'])

  t.equal(asked, 2)
})

t.test('a token goes on while there cannot be another', async t => {
  let nowMs = 0
  let fails = false
  const credential = await lastingCredential(
    async () => {
      if (fails) throw new Error('the API server is away')
      return `token at ${nowMs}`
    },
    () => nowMs
  )
  nowMs = 50 * minuteMs
  fails = true
  t.equal(await credential(), 'token at 0')

  fails = false
  t.equal(await credential(), `token at ${nowMs}`)
})

t.test('without a first token there is no credential', async t => {
  const request = async () => {
    throw new Error('no right')
  }

  await t.rejects(lastingCredential(request), { message: 'no right' })
})
