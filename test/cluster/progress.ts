const began = performance.now()

/** Says on standard error what is done now, with the seconds since the program started. */
export function say(what: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(4)
  console.error(`${seconds} s  ${what}`)
}
