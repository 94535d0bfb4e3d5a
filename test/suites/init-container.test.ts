import { runFolders } from './run-folders.ts'

await runFolders('init-container', 'init-container/fork')
