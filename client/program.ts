import { Command, Option } from 'commander'
import { version } from '../shared/version.ts'
import { usageError } from './client-error.ts'
import type { Selection } from './local-files.ts'
import { type CommandName, fileFlagTable, type OptionRow, optionTable } from './option-table.ts'
import type { Flags } from './option-values.ts'

/** What happens once a command line was understood. Bundles are named `NS/ID`. */
export interface CommandActions {
  put(flags: Flags, selections: readonly Selection[]): Promise<void>
  get(flags: Flags): Promise<void>
  ls(flags: Flags): Promise<void>
  rm(flags: Flags, bundles: readonly string[]): Promise<void>
  renew(flags: Flags, bundles: readonly string[]): Promise<void>
  token(flags: Flags, bundle: string): Promise<void>
  doctor(flags: Flags): Promise<void>
  /** `args` are spark-submit's own. */
  submit(flags: Flags, args: readonly string[]): Promise<void>
}

/**
 * The command line of `spark-stage`, built from the tables of options.
 *
 * Errors are thrown (commander's `CommanderError`), never a reason to exit here.
 */
export function buildProgram(actions: CommandActions): Command {
  const program = new Command('spark-stage')
    .description("Stages a Spark application's own files for its driver and executor pods.")
    .version(version, '--version', 'Prints the version.')
    .helpCommand(false)
    .exitOverride()
  for (const command of [
    buildPut(actions),
    buildGet(actions),
    buildList(actions),
    buildForBundles('rm', 'Revokes bundles now: their tokens open nothing any more.', actions.rm),
    buildForBundles('renew', 'Gives bundles another full lease and prints its end.', actions.renew),
    buildToken(actions),
    buildDoctor(actions),
    buildSubmit(actions)
  ])
    program.addCommand(command)
  return program
}

function buildPut(actions: CommandActions): Command {
  const selections: Selection[] = []
  const put = newCommand('put', 'Uploads files as one bundle; sends only what the server lacks.')
  for (const { flag, value, kind, sentence } of fileFlagTable) {
    const option = new Option(`${flag} <${value}>`, `${sentence} Repeatable; may be a quoted pattern.`)
    put.addOption(option.argParser((text: string) => selections.push({ kind, flag, text })))
  }
  addOptions(put, 'put')
  refuseArguments(
    put,
    'Every file has its own flag; quote patterns, or the shell expands them: --jar "libs/*.jar".',
    () => actions.put(flagsOf(put), selections)
  )
  return put.usage('--server URL --namespace NS [files…] [options]')
}

function buildGet(actions: CommandActions): Command {
  const get = newCommand('get', 'Fetches a bundle into a directory, exactly as its pods see it.')
  addOptions(get, 'get')
  refuseArguments(get, 'Name the bundle with --bundle.', () => actions.get(flagsOf(get)))
  return get.usage('--server URL --bundle NS/ID --token-file FILE --into DIR [options]')
}

function buildList(actions: CommandActions): Command {
  const list = newCommand('ls', 'Lists the bundles and drafts of a namespace, newest first.')
  addOptions(list, 'ls')
  refuseArguments(list, 'Name the namespace with --namespace.', () => actions.ls(flagsOf(list)))
  return list.usage('--server URL --namespace NS [options]')
}

function buildForBundles(name: CommandName, description: string, action: CommandActions['rm']): Command {
  const command = newCommand(name, description)
  addOptions(command, name)
  // There may be none with `rm --orphans`.
  command.argument(name === 'rm' ? '[NS/ID...]' : '<NS/ID...>', 'The bundles, as "put" and "ls" print them.')
  command.action((bundles: readonly string[]) => action(flagsOf(command), bundles))
  return command.usage('--server URL NS/ID… [options]')
}

function buildToken(actions: CommandActions): Command {
  const token = newCommand('token', "Has a bundle's download token signed again and writes it to a file.")
  addOptions(token, 'token')
  token.argument('<NS/ID>', 'The bundle, as "put" and "ls" print it.')
  token.action((bundle: string) => actions.token(flagsOf(token), bundle))
  return token.usage('--server URL NS/ID [options]')
}

function buildDoctor(actions: CommandActions): Command {
  const doctor = newCommand(
    'doctor',
    'Checks what lies between this machine and a server, and says what to mend.'
  )
  addOptions(doctor, 'doctor')
  refuseArguments(doctor, 'Name the bundle with --bundle.', () => actions.doctor(flagsOf(doctor)))
  return doctor.usage('--server URL --namespace NS [--bundle NS/ID --token-file FILE] [options]')
}

function buildSubmit(actions: CommandActions): Command {
  const submit = newCommand('submit', 'Stages the local files of a spark-submit command line and runs it.')
  addOptions(submit, 'submit')
  submit.argument('[arguments...]', "After --: spark-submit's own arguments, as they are.")
  submit.action((args: readonly string[]) => actions.submit(flagsOf(submit), args))
  return submit.usage('[options] -- <arguments of spark-submit>')
}

function newCommand(name: CommandName, description: string): Command {
  return new Command(name)
    .description(description)
    .exitOverride()
    .showHelpAfterError(`(see spark-stage ${name} --help)`)
}

function addOptions(command: Command, name: CommandName): void {
  const rows: readonly OptionRow[] = optionTable
  for (const { commands, flag, value, sentence, variable, unit, defaultValue } of rows) {
    if (!commands.includes(name)) continue
    const notes = [unit]
    if (defaultValue !== undefined) notes.push(`default ${defaultValue}`)
    if (variable !== undefined) notes.push(variable)
    command.addOption(
      new Option(value === undefined ? flag : `${flag} <${value}>`, `${sentence} (${notes.join('; ')})`)
    )
  }
}

/** By the flags' own names, so that nothing else has to know how commander changes them. */
function flagsOf(command: Command): Flags {
  return Object.fromEntries(
    command.options.map(option => [option.name(), command.getOptionValue(option.attributeName())])
  )
}

/** @param todo what to do instead of giving arguments */
function refuseArguments(command: Command, todo: string, action: () => Promise<void>): void {
  command.argument('[unexpected...]').action(async ([first]: readonly string[]) => {
    if (first !== undefined) throw usageError(`${JSON.stringify(first)} is not expected here. ${todo}`)
    await action()
  })
}
