/** What no program may ever print: credentials, tokens and keys of this test process, each as text. */
const secrets = new Set<string>()

/** Notes a secret that no output may show. */
export function keepSecret(secret: string): void {
  secrets.add(secret)
}

/** @throws Error when `output` of the program `name` shows a secret */
export function refuseSecrets(name: string, output: string): void {
  const shown = [...secrets].find(secret => output.includes(secret))
  if (shown !== undefined) throw new Error(`the output of ${name} shows the secret ${shown.slice(0, 8)}…`)
}
