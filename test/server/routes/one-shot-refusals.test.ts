import t from 'tap'
import { filePart, part, postMultipart } from '../../helpers/raw-request.ts'
import { isRefusal, leavesNothing, type Refusal } from '../../helpers/refusals.ts'
import { startServer } from '../../helpers/start-server.ts'

const end = '--B--\r\n'
const good = filePart('files', 'good.txt')
const kindsExpected = 'one of app, jars, pyFiles, files, archives'
const nameExpected = '1 to 255 bytes of UTF-8 without /, \\ and control characters, and neither . nor ..'

const noParts: Refusal = {
  status: 400,
  code: 'STAGE_ERR_NO_PARTS',
  expected: 'at least 1 file',
  found: '0 files'
}
const badKind = (found: string): Refusal => ({
  status: 400,
  code: 'STAGE_ERR_BAD_KIND',
  expected: kindsExpected,
  found
})
const badName = (found: string): Refusal => ({
  status: 400,
  code: 'STAGE_ERR_BAD_NAME',
  expected: nameExpected,
  found
})
const badAlias = (found: string): Refusal => ({ ...badName(found), code: 'STAGE_ERR_BAD_ALIAS' })
const malformed = (found: string): Refusal => ({
  status: 400,
  code: 'STAGE_ERR_BAD_REQUEST',
  expected: 'a request as documented',
  found
})
const separator = 'a path separator'
const control = 'a control character'
const notUtf8 = 'text that is not valid UTF-8'

/** What is refused, as a sentence; the multipart body; the refusal. */
const bodies: readonly (readonly [claim: string, body: string, refusal: Refusal])[] = [
  ['no part at all', end, noParts],
  ['an empty body', '', noParts],
  ['an unknown kind', filePart('jar', 'a.jar') + end, badKind('"jar"')],
  ['an unknown kind after a good part', good + filePart('Files', 'a') + end, badKind('"Files"')],
  ['a part without a name', part('Content-Disposition: form-data; filename="a"') + end, badKind('""')],
  [
    'a part named __proto__',
    filePart('__proto__', 'a') + end,
    badKind('prototype property is not allowed as field name')
  ],
  [
    'a part named like a method of every object',
    filePart('toString', 'a') + good + end,
    badKind('prototype property is not allowed as field name')
  ],
  [
    'a part without a filename',
    part('Content-Disposition: form-data; name="files"') + end,
    badName('an empty name')
  ],
  ['an empty name', filePart('files', '') + end, badName('an empty name')],
  ['an empty name before an alias', filePart('files', '#a') + end, badName('an empty name')],
  ['the name .', filePart('files', '.') + end, badName('"."')],
  ['the name ..', filePart('files', '..') + end, badName('".."')],
  ['a name with /', filePart('files', 'a/b') + end, badName(separator)],
  ['a name that climbs', good + filePart('files', '../../etc/passwd') + end, badName(separator)],
  ['a name with a backslash', filePart('files', 'a\\\\b') + end, badName(separator)],
  ['a name with NUL', filePart('files', 'a\0b') + end, badName(control)],
  ['a name with a bell', filePart('files', 'a\x07b') + end, badName(control)],
  ['a name with DEL', filePart('files', 'a\x7fb') + end, badName(control)],
  ['a name with a C1 control character', filePart('files', 'a\xc2\x85b') + end, badName(control)],
  ['a name with a line separator', filePart('files', 'a\xe2\x80\xa8b') + end, badName(control)],
  ['a name that is not UTF-8', filePart('files', 'caf\xe9') + end, badName(notUtf8)],
  ['a name of 256 bytes', filePart('files', 'x'.repeat(256)) + end, badName('256 bytes')],
  [
    'a name of 128 characters in 256 bytes',
    filePart('files', '\xc3\xa9'.repeat(128)) + end,
    badName('256 bytes')
  ],
  [
    'a filename* that climbs',
    part("Content-Disposition: form-data; name=jars; filename*=UTF-8''..%2Fx.jar") + end,
    badName(separator)
  ],
  [
    'a filename* that overrules a good filename',
    part("Content-Disposition: form-data; name=jars; filename=ok.jar; filename*=UTF-8''%2e%2e") + end,
    badName('".."')
  ],
  [
    'a filename* with NUL',
    part("Content-Disposition: form-data; name=jars; filename*=UTF-8''a%00b") + end,
    badName(control)
  ],
  [
    'a filename* that is not UTF-8',
    part("Content-Disposition: form-data; name=jars; filename*=UTF-8''%ff") + end,
    badName(notUtf8)
  ],
  ['an alias with a path', filePart('archives', 'a.tgz#../x') + end, badAlias(separator)],
  ['an alias with a backslash', filePart('archives', 'a.tgz#x\\\\y') + end, badAlias(separator)],
  ['an empty alias', filePart('archives', 'a.tgz#') + end, badAlias('an empty name')],
  ['the alias ..', filePart('archives', 'a.tgz#..') + end, badAlias('".."')],
  ['an alias of 256 bytes', filePart('archives', `a.tgz#${'x'.repeat(256)}`) + end, badAlias('256 bytes')],
  ['a part header that is cut', '--B\r\nContent-Dispo', malformed('Unexpected end of multipart data')],
  [
    'a part that is cut',
    `${good}--B\r\nContent-Disposition: form-data; name=files; filename=b\r\n\r\nhel`,
    malformed('Unexpected end of multipart data')
  ],
  ['a body without its final boundary', good, malformed('Unexpected end of multipart data')],
  [
    'a body with another boundary',
    good.replaceAll('--B', '--C') + end.replace('B', 'C'),
    malformed('Unexpected end of multipart data')
  ],
  ['parts that do not say what they are', part('Content-Type: text/plain') + end, noParts]
]

const server = await startServer(t)

for (const [claim, body, refusal] of bodies) {
  t.test(`${claim} is refused, and nothing is stored`, async t => {
    await leavesNothing(t, server, async () => {
      const answer = await postMultipart(server, body)

      isRefusal(t, answer, refusal)
    })
  })
}

t.test('multipart without a boundary is refused, and nothing is stored', async t => {
  await leavesNothing(t, server, async () => {
    const answer = await postMultipart(server, good + end, [], 'multipart/form-data')

    isRefusal(t, answer, malformed('Multipart: Boundary not found'))
  })
})

const mediaTypes = [
  'multipart/mixed; boundary=B',
  'application/x-www-form-urlencoded',
  'text/plain',
  ';;;',
  ''
]

for (const mediaType of mediaTypes) {
  t.test(`the Content-Type "${mediaType}" is refused`, async t => {
    await leavesNothing(t, server, async () => {
      const answer = await postMultipart(server, good + end, [], mediaType)

      isRefusal(t, answer, {
        status: 415,
        code: 'STAGE_ERR_MEDIA_TYPE',
        expected: 'multipart/form-data with the files, or application/json that announces them',
        found: 'Unsupported Media Type'
      })
    })
  })
}

t.test('the longest names there are can be staged', async t => {
  const answer = await postMultipart(server, filePart('files', `${'x'.repeat(255)}#${'y'.repeat(255)}`) + end)

  t.equal(answer.status, 201)
})
