import { styleText } from 'node:util'

/** The head of one step of the demo. */
export function step(number: number, title: string): void {
  say(styleText('bold', `\n${number}. ${title}`))
}

/** One line, or several. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
