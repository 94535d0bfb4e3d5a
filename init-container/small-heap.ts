import { setFlagsFromString } from 'node:v8'

// As the server does, and for the same reason; main.ts imports this before anything else.
setFlagsFromString('--semi-space-growth-factor=1')
