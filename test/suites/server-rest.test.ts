import { runFolders } from './run-folders.ts'

await runFolders(
  'server',
  'server/identity',
  'server/observe',
  'server/owners',
  'server/plugins',
  'server/tokens',
  'server/v0'
)
