/** How the programs end, by cause. `docs/exit-codes.md` is held equal to this table by a test. */
export const exitCodes = {
  ok: { code: 0, meaning: 'All done.' },
  internal: { code: 1, meaning: 'A fault of the program itself; the output has the cause.' },
  usage: { code: 2, meaning: 'An option, a file or a variable is missing or wrong; nothing was done.' },
  refused: {
    code: 10,
    meaning: 'The server refused the credential, the token or the request; asking again will not help.'
  },
  gone: { code: 11, meaning: 'The bundle was revoked, has expired or does not exist.' },
  damaged: {
    code: 12,
    meaning:
      'What arrived is wrong: not the SHA-256 of the manifest, again and again, or no archive to unpack.'
  },
  noSpace: { code: 13, meaning: 'There is not enough free space, here or on the server.' },
  gaveUp: {
    code: 14,
    meaning: 'No progress for the whole waiting time: the server could not be reached, failed or stalled.'
  },
  unsound: {
    code: 15,
    meaning: 'The store has damage, or something that no sweep will ever remove; the output names each.'
  },
  applicationFailed: {
    code: 16,
    meaning: 'The driver or an init container failed although spark-submit ended well.'
  }
} as const satisfies Readonly<Record<string, { readonly code: number; readonly meaning: string }>>

export type ExitCause = keyof typeof exitCodes
