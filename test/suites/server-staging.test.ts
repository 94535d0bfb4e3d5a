import { runFolders } from './run-folders.ts'

await runFolders('server/staging', 'server/staging/verification', 'server/storage')
