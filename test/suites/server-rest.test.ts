import { runFolders } from './run-folders.ts'

await runFolders(
  'server',
  'server/identity',
  'server/observe',
  'server/plugins',
  'server/tokens',
  'server/v0'
)
