import manifest from '../package.json' with { type: 'json' }

/** This version of all three programs, as `package.json` has it. */
export const { version } = manifest
