import t from 'tap'
import type { Selection } from '../../client/local-files.ts'
import { fileFlagTable, optionTable } from '../../client/option-table.ts'
import type { Flags } from '../../client/option-values.ts'
import { buildProgram } from '../../client/program.ts'

interface Called {
  readonly command: string
  readonly flags: Flags
  readonly selections?: readonly Selection[]
  readonly bundles?: readonly string[] | string
  readonly args?: readonly string[]
}

/** A program whose commands only note what they were called with. */
function recordingProgram() {
  const called: Called[] = []
  const program = buildProgram({
    put: async (flags, selections) => void called.push({ command: 'put', flags, selections }),
    get: async flags => void called.push({ command: 'get', flags }),
    ls: async flags => void called.push({ command: 'ls', flags }),
    rm: async (flags, bundles) => void called.push({ command: 'rm', flags, bundles }),
    renew: async (flags, bundles) => void called.push({ command: 'renew', flags, bundles }),
    token: async (flags, bundles) => void called.push({ command: 'token', flags, bundles }),
    doctor: async flags => void called.push({ command: 'doctor', flags }),
    submit: async (flags, args) => void called.push({ command: 'submit', flags, args })
  })
  return { program, called }
}

/** Parses a command line and returns what its command was called with. */
async function parse(...args: readonly string[]) {
  const { program, called } = recordingProgram()
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

t.test('bundles are arguments where a command is about them, flags everywhere else', async t => {
  t.match(await parse('rm', 'a/1', 'b/2', '--json'), { bundles: ['a/1', 'b/2'], flags: { json: true } })
  t.match(await parse('renew', 'a/1'), { command: 'renew', bundles: ['a/1'] })
  t.match(await parse('token', '--token-out', 'f', 'a/1'), { bundles: 'a/1', flags: { 'token-out': 'f' } })
  t.match(await parse('ls', '--namespace', 'a'), { command: 'ls', flags: { namespace: 'a' } })
  t.match(await parse('doctor', '--bundle', 'a/1'), { command: 'doctor', flags: { bundle: 'a/1' } })
})

t.test('what is not expected is refused with what to do', async t => {
  await t.rejects(parse('put', '--jar', 'a.jar', 'b.jar'), {
    exitCause: 'usage',
    message:
      '"b.jar" is not expected here. Every file has its own flag; quote patterns, or the shell expands them: --jar "libs/*.jar".'
  })
  await t.rejects(parse('get', 'team-a/x'), { exitCause: 'usage', message: /Name the bundle with --bundle/ })
  await t.rejects(parse('ls', 'team-a'), { message: /Name the namespace with --namespace/ })
  await t.rejects(parse('doctor', 'team-a/x'), { message: /Name the bundle with --bundle/ })
  await t.rejects(parse('renew'), { code: 'commander.missingArgument' })
  await t.rejects(parse('token', 'a/1', 'b/2'), { code: 'commander.excessArguments' })
  await t.rejects(parse('fetch'), { code: 'commander.unknownCommand' })
  await t.rejects(parse('get', '--jar', 'x'), { code: 'commander.unknownOption' })
})

t.test('what follows -- is for spark-submit, whatever it looks like', async t => {
  const own = ['--master', 'x', '--help', '--json', 'app.py', '--', '-v']

  const called = await parse('submit', '--dry-run', '--', ...own)

  t.strictSame(called?.args, own)
  t.match(called?.flags, { 'dry-run': true, json: undefined })
  await t.rejects(parse('submit', '--master', 'x'), { code: 'commander.unknownOption' })
})

t.test('the help of each command is its part of the tables', async t => {
  const { commands } = recordingProgram().program

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
