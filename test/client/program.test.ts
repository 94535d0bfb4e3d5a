import t from 'tap'
import type { Selection } from '../../client/local-files.ts'
import { fileFlagTable, optionTable } from '../../client/option-table.ts'
import type { Flags } from '../../client/options.ts'
import { buildProgram } from '../../client/program.ts'

/** Parses a command line and returns what its command was called with. */
async function parse(...args: readonly string[]) {
  const called: { command: string; flags: Flags; selections?: readonly Selection[] }[] = []
  const program = buildProgram({
    put: async (flags, selections) => void called.push({ command: 'put', flags, selections }),
    get: async flags => void called.push({ command: 'get', flags })
  })
  for (const command of [program, ...program.commands]) command.configureOutput({ writeErr: () => {} })
  await program.parseAsync(args, { from: 'user' })
  return called[0]
}

t.test('files keep their order across flags', async t => {
  const called = await parse('put', '--jar', 'b.jar', '--file', 'x#y', '--jar', 'a.jar', '--json')

  t.strictSame(called?.selections, [
    { kind: 'jars', flag: '--jar', text: 'b.jar' },
    { kind: 'files', flag: '--file', text: 'x#y' },
    { kind: 'jars', flag: '--jar', text: 'a.jar' }
  ])
  t.match(called?.flags, { json: true, server: undefined })
})

t.test('flags arrive under their own names', async t => {
  const called = await parse('get', '--token-file', 't', '--give-up-seconds', '5')

  t.match(called, { command: 'get', flags: { 'token-file': 't', 'give-up-seconds': '5' } })
})

t.test('what is not expected is refused with what to do', async t => {
  await t.rejects(parse('put', '--jar', 'a.jar', 'b.jar'), {
    exitCause: 'usage',
    message:
      '"b.jar" is not expected here. Every file has its own flag; quote patterns, or the shell expands them: --jar "libs/*.jar".'
  })
  await t.rejects(parse('get', 'team-a/x'), { exitCause: 'usage', message: /Name the bundle with --bundle/ })
  await t.rejects(parse('fetch'), { code: 'commander.unknownCommand' })
  await t.rejects(parse('get', '--jar', 'x'), { code: 'commander.unknownOption' })
})

t.test('the help of each command is its part of the tables', async t => {
  const { commands } = buildProgram({ put: async () => {}, get: async () => {} })

  for (const command of commands) {
    const help = command.helpInformation()
    for (const { flag, commands: names } of optionTable) {
      t.equal(
        help.includes(`${flag} `),
        names.some(name => name === command.name()),
        `${command.name()} ${flag}`
      )
    }
    for (const { flag } of fileFlagTable) t.equal(help.includes(`${flag} <`), command.name() === 'put', flag)
  }
})
