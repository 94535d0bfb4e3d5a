import { Command, Option } from 'commander'
import { usageError } from './client-error.ts'
import type { Selection } from './local-files.ts'
import { type CommandName, fileFlagTable, type OptionRow, optionTable } from './option-table.ts'
import type { Flags } from './options.ts'

/** What happens once a command line was understood. */
export interface CommandActions {
  put(flags: Flags, selections: readonly Selection[]): Promise<void>
  get(flags: Flags): Promise<void>
}

/**
 * The command line of `spark-stage`, built from the tables of options.
 *
 * Errors are thrown (commander's `CommanderError`), never a reason to exit here.
 */
export function buildProgram(actions: CommandActions): Command {
  const program = new Command('spark-stage')
    .description("Stages a Spark application's own files for its driver and executor pods.")
    .helpCommand(false)
    .exitOverride()
  program.addCommand(buildPut(actions))
  program.addCommand(buildGet(actions))
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
  put.argument('[unexpected...]').action(async (unexpected: readonly string[]) => {
    refuseArguments(
      unexpected,
      'Every file has its own flag; quote patterns, or the shell expands them: --jar "libs/*.jar".'
    )
    await actions.put(flagsOf(put), selections)
  })
  return put.usage('--server URL --namespace NS [files…] [options]')
}

function buildGet(actions: CommandActions): Command {
  const get = newCommand('get', 'Fetches a bundle into a directory, exactly as its pods see it.')
  addOptions(get, 'get')
  get.argument('[unexpected...]').action(async (unexpected: readonly string[]) => {
    refuseArguments(unexpected, 'Name the bundle with --bundle.')
    await actions.get(flagsOf(get))
  })
  return get.usage('--server URL --bundle NS/ID --token-file FILE --into DIR [options]')
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

function refuseArguments(unexpected: readonly string[], todo: string): void {
  const [first] = unexpected
  if (first !== undefined) throw usageError(`${JSON.stringify(first)} is not expected here. ${todo}`)
}
