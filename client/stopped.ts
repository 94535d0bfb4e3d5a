/** Somebody asked the program to stop: why a signal of ours aborts. */
export class Stopped extends Error {
  override readonly name = 'Stopped'
  readonly signalName: NodeJS.Signals

  /** @param message what is left behind, for people */
  constructor(signalName: NodeJS.Signals, message = 'stopped; a draft that was begun expires by itself') {
    super(message)
    this.signalName = signalName
  }
}

/** Which signal it was that stopped us. */
export function stopSignalOf({ reason }: AbortSignal): NodeJS.Signals {
  return reason instanceof Stopped ? reason.signalName : 'SIGTERM'
}

/** What to tell people when a command ended by `error` because it was told to stop. */
export function stoppedMessage(error: unknown, { reason }: AbortSignal): string {
  return (error instanceof Stopped ? error : (reason as Error)).message
}
